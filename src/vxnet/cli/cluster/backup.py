# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster backup FILE` and `vxnet cluster restore FILE`: all of a cluster as one file, and back."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from vxnet.cli.cluster.options import STORE, StoreUrl
from vxnet.cluster import backup as files
from vxnet.cluster.opened import opened_store, sqlite_file
from vxnet.server.holding import held

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


def backup(file: File, store: StoreUrl = STORE) -> None:
    """Write all that the store holds into a file. Servers go on. Hashes of passwords are in it: keep it to yourself."""

    async def run() -> files.Header:
        async with opened_store(store) as opened:
            return await files.backup(opened, file)

    _print(asyncio.run(run()))


def restore(
    file: File,
    store: StoreUrl = STORE,
    force: Annotated[bool, typer.Option("--force", help="Replace all that the store holds.")] = False,
) -> None:
    """Make the store hold what a backup holds, once its servers are stopped."""
    place = sqlite_file(store)

    async def run() -> files.Header:
        async with opened_store(store, create=True) as opened:
            return await files.restore(opened, file, force=force)

    with held(place, "vxnet cluster restore") if place else nullcontext():
        _print(asyncio.run(run()))


def _print(header: files.Header) -> None:
    print(f"revision {header.revision} of {header.at}: {header.items} items")
