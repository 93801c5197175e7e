# SPDX-License-Identifier: Apache-2.0
"""The SQLite store on a disk that is full, and on one that cannot be written."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.following import take_until
from vxnet.store.base import StoreError, Transaction
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.store.base import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a small file system."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=2m", "vxnet-test", str(folder)), check=True)
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


async def fill(store: Store, first: int) -> tuple[set[str], StoreError]:
    """Write until it fails; return the keys that were answered, and the error."""
    answered: set[str] = set()
    for number in range(first, first + 1000):
        writes: dict[str, bytes | None] = {f"{number:04}/{part}": bytes(10_000) for part in ("a", "b")}
        try:
            assert await store.commit(Transaction(writes=writes))
        except StoreError as error:
            return answered, error
        answered |= set(writes)
    raise AssertionError("the disk was never full")


async def test_full_disk(disk: Path) -> None:
    """A commit that finds no room changes nothing and says so; what stands can be read; with room again it goes on."""
    ballast = disk / "ballast"
    make(ballast, 500_000)
    store = await open_store(f"sqlite://{disk}/cluster.db")
    answered, error = await fill(store, 0)
    assert str(error).startswith(f"{disk}/cluster.db: there is no room on the disk; make some")
    assert answered
    together = await asyncio.gather(
        *(store.commit(Transaction(writes={f"no/{number}": bytes(300_000)})) for number in range(5)),
        return_exceptions=True,
    )
    assert all(isinstance(result, StoreError) for result in together)
    revision, items = await store.read()
    assert {item.key for item in items} == answered
    assert revision == await store.revision() == len(answered) / 2
    make(ballast, 0)
    more, _ = await fill(store, 5000)
    assert more
    await store.close()
    make(disk / "ballast", 0)
    store = await open_store(f"sqlite://{disk}/cluster.db")
    revision, items = await store.read()
    assert {item.key for item in items} == answered | more
    told = {change.key for batch in await take_until(store, 0, revision) for change in batch.changes}
    assert told == answered | more
    await store.close()


async def test_no_room_for_a_new_store(disk: Path) -> None:
    """A store for which there is no room from the beginning is refused, and made once there is."""
    make(disk / "ballast", 2 * 1024 * 1024)
    with pytest.raises(StoreError, match="there is no room on the disk; make some"):
        await open_store(f"sqlite://{disk}/cluster.db")
    make(disk / "ballast", 0)
    store = await open_store(f"sqlite://{disk}/cluster.db")
    assert await store.commit(Transaction(writes={"key": b""})) == 1
    await store.close()


async def test_read_only(disk: Path) -> None:
    """A store on a disk that turned read-only says so when it is to write, and when it is to be opened."""
    url = f"sqlite://{disk}/cluster.db"
    store = await open_store(url)
    await store.commit(Transaction(writes={"key": b""}))
    await store.close()
    remount(disk, "ro")
    with pytest.raises(StoreError, match="read-only file system"):
        await open_store(url)
    remount(disk, "rw")
    store = await open_store(url)
    assert [item.key for item in (await store.read())[1]] == ["key"]
    await store.close()


def remount(disk: Path, how: str) -> None:
    """Let the disk be written, or not."""
    subprocess.run(("mount", "-o", f"remount,{how}", str(disk)), check=True)


def make(file: Path, size: int) -> None:
    """Make a file of so many bytes, in place of the one that was there."""
    file.write_bytes(b"\xff" * size)
