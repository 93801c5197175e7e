# SPDX-License-Identifier: Apache-2.0
"""A cluster for as long as one command lasts, beside servers or without any."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.cluster.migrate import prepare
from vxnet.cluster.writing import Cluster
from vxnet.store.base import StoreError
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vxnet.store.base import Store


@asynccontextmanager
async def opened_store(url: str, *, create: bool = False) -> AsyncIterator[Store]:
    """Open the store, and close it afterwards. Unless ``create``, an SQLite file that is not there is an error."""
    file = sqlite_file(url)
    if file and not create and not file.exists():
        raise StoreError(f"{file}: does not exist; name the store of the cluster: --store, or the variable VXNET_STORE")
    store = await open_store(url)
    try:
        if file:
            give(file.parent, *(file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-shm")))
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def opened(url: str, *, create: bool = False) -> AsyncIterator[Cluster]:
    """Open the store and what it holds."""
    async with opened_store(url, create=create) as store:
        await prepare(store)
        cluster = await Cluster.open(store)
        following = asyncio.create_task(cluster.run())
        try:
            yield cluster
        finally:
            following.cancel()
            await asyncio.wait([following])
            if not following.cancelled():
                following.result()  # it never returns: this raises what it died of


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite store; None: it is another kind. One slash more, as some write it, is the same."""
    scheme, _, place = url.partition("://")
    return Path(f"/{place.lstrip('/')}") if scheme == "sqlite" and place.startswith("/") else None


def give(folder: Path, *files: Path) -> None:
    """Give what root has made in a folder to whom the folder belongs: the server runs as a user of its own."""
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in files:
        if path.exists() and path.stat().st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
