# SPDX-License-Identifier: Apache-2.0
"""What a server is started with, and how each of it is written, on the command line and in the file alike."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from vxnet.model import VNI_MAX, VNI_MIN
from vxnet.server.settings import Settings
from vxnet.sources.tomlfile import FaultError, quoted
from vxnet.urls import without_password

_HOST_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s:/\[\]]+)):(?P<port>\d{1,5})", re.ASCII)
_RANGE = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")


class Address(NamedTuple):
    """Where to listen. Port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Tls(msgspec.Struct, frozen=True):
    """The files of a certificate, with those it is signed by, and of its key, in PEM."""

    cert: Path
    key: Path


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """All that a server is started with; without ``tls`` it speaks plain HTTP."""

    listen: Address = Address("127.0.0.1", 9696)
    store: str
    tls: Tls | None = None
    settings: Settings = Settings()


def address(text: str, field: str) -> Address:
    """Return HOST:PORT, or [ADDRESS]:PORT of IPv6. FaultError names the field."""
    match = _HOST_PORT.fullmatch(text)
    if not match or int(match["port"]) > 65535:
        raise FaultError(f"{quoted(text)} is not HOST:PORT; write, for example, 127.0.0.1:9696 or [::1]:9696", field)
    return Address(match["six"] or match["host"], int(match["port"]))


def vni_ranges(texts: tuple[str, ...], field: str) -> tuple[tuple[int, int], ...]:
    """Return FIRST-LAST, or one VNI, of each text. FaultError names the field."""
    ranges = tuple(_range(text, f"{field}[{at}]" if len(texts) > 1 else field) for at, text in enumerate(texts))
    in_order = sorted(ranges)
    for (_, last), (first, _) in pairwise(in_order):
        if first <= last:
            raise FaultError(f"VNI {first} is in two ranges; leave it in one", field)
    if not ranges:
        raise FaultError("names no VNI; write, for example, 5001-16777215", field)
    return ranges


def _range(text: str, field: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if not match or max(map(len, match.groups(""))) > 8:
        raise FaultError(f"{quoted(text)} is not FIRST-LAST; write, for example, 5001-16777215", field)
    first, last = int(match[1]), int(match[2] or match[1])
    if not VNI_MIN <= first <= last <= VNI_MAX:
        raise FaultError(
            f"{quoted(text)} is no range of VNIs; they go from {VNI_MIN} to {VNI_MAX}, the lower one first", field
        )
    return first, last


def public_url(text: str, field: str) -> str:
    """Return the URL, without a slash at its end. FaultError names the field."""
    if not _URL.fullmatch(text):
        raise FaultError(
            f"{quoted(without_password(text))} is no URL; write, for example, https://network.example.org:9696",
            field,
        )
    return text.rstrip("/")
