# SPDX-License-Identifier: Apache-2.0
"""From what ``--store`` says to the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import ConfigError
from vxnet.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from vxnet.store.base import Store

FORMS = "sqlite:///PATH or etcd://HOST:PORT[,HOST:PORT...]"


async def open_store(url: str) -> Store:
    """Open the store that ``url`` names. ConfigError if it is no such URL; StoreError if it cannot be opened."""
    scheme, _, place = url.partition("://")
    match scheme:
        case "sqlite" if place.startswith("/") and not place.endswith("/"):
            return await SqliteStore.open(Path(place))
        case _:
            raise ConfigError(f"store: {url!r} is not {FORMS}")
