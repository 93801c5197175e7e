# SPDX-License-Identifier: Apache-2.0
"""The one error of the codecs."""

from __future__ import annotations


class MalformedError(ValueError):
    """The bytes are not the header that was to be parsed; the message names the header and what is wrong."""


def need(data: bytes, length: int, what: str) -> None:
    """Raise MalformedError unless ``data`` has at least ``length`` bytes; ``what`` names the header."""
    if len(data) < length:
        raise MalformedError(f"{what}: {len(data)} bytes, at least {length} needed")
