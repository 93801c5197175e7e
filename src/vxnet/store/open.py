# SPDX-License-Identifier: Apache-2.0
"""From what ``--store`` says to the store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import ConfigError
from vxnet.store.etcd import EtcdStore
from vxnet.store.sqlite import SqliteStore
from vxnet.urls import without_password

if TYPE_CHECKING:
    from vxnet.store.base import Store

_MEMBER = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")

FORMS = "sqlite:///PATH or etcd://HOST:PORT[,HOST:PORT...]"


async def open_store(url: str) -> Store:
    """Open the store that ``url`` names. ConfigError if it is no such URL; StoreError if it cannot be opened.

    An etcd that is away says so only when something is asked of it.
    """
    scheme, _, place = url.partition("://")
    match scheme:
        case "etcd" if members := _members(place):
            return EtcdStore(members)
        case "sqlite" if place.startswith("/") and not place.endswith("/"):
            return await SqliteStore.open(Path(place))
        case _:
            raise ConfigError(f"store: {without_password(url)!r} is not {FORMS}")


def _members(place: str) -> list[str]:
    """Return the members' HOST:PORT; none, if one of them is something else. An IPv6 address is in brackets."""
    members = place.split(",")
    return members if all(_MEMBER.fullmatch(member) for member in members) else []
