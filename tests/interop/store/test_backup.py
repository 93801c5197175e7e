# SPDX-License-Identifier: Apache-2.0
"""vxnet.cluster.backup: what is in a file is what stood; it can be put back, and into the other kind of store."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.stores import power_cut, values
from vxnet.cluster.backup import BackupError, backup, restore
from vxnet.cluster.keys import META_INCARNATION, META_RESTORING, META_SCHEMA
from vxnet.cluster.migrate import SchemaError, prepare
from vxnet.store.base import Transaction
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.lab.etcd import Etcd
    from vxnet.store.base import Store

pytestmark = pytest.mark.anyio


async def fill(store: Store, count: int = 400) -> dict[str, bytes]:
    """Make it a cluster of so many records; return what a restored one has to hold, but for its incarnation."""
    await prepare(store)
    records: dict[str, bytes] = {f"network/{number:05}": b"\x00\xff %d" % number for number in range(count)}
    for first in range(0, count, 100):
        part: dict[str, bytes | None] = {name: records[name] for name in list(records)[first : first + 100]}
        await store.commit(Transaction(writes=part))
    await store.commit(Transaction(writes={"server/one": b"{}"}))
    return records | {META_SCHEMA: b"1"}


async def restored(store: Store) -> tuple[dict[str, bytes], bytes]:
    """Return what stands, and its incarnation."""
    stands = await values(store)
    return stands, stands.pop(META_INCARNATION)


async def test_there_and_back(store: Store, tmp_path: Path) -> None:
    """What was restored over something else is what was in the backup, with another incarnation; servers are not."""
    file = tmp_path / "backup"
    expected = await fill(store)
    incarnation = (await values(store))[META_INCARNATION]
    header = await backup(store, file)
    assert header.items == 401
    assert header.revision == (await store.read())[0]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    changed: dict[str, bytes | None] = {"network/00001": None, "network/00002": b"else", "port/new": b""}
    await store.commit(Transaction(writes=changed))
    await restore(store, file, force=True)
    stands, renewed = await restored(store)
    assert stands == expected
    assert renewed != incarnation
    await prepare(store)


async def test_moving(store: Store, etcd: Etcd, tmp_path: Path) -> None:
    """A backup of one kind of store can be restored into the other: this is how a cluster moves."""
    expected = await fill(store)
    await backup(store, tmp_path / "backup")
    if store.url.startswith("sqlite:"):
        etcd.empty()
        url = etcd.url
    else:
        url = f"sqlite://{tmp_path}/other.db"
    other = await open_store(url)
    await restore(other, tmp_path / "backup")
    assert (await restored(other))[0] == expected
    await prepare(other)
    await other.close()


async def test_backup_while_servers_write(store: Store, other: Store, tmp_path: Path) -> None:
    """A backup is of one moment, whatever is written meanwhile."""
    await fill(store)
    await store.commit(Transaction(writes={"network/00000": b"0", "network/00399": b"0"}))
    stop = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            value = str(number).encode()
            await other.commit(Transaction(writes={"network/00000": value, "network/00399": value}))

    writing = asyncio.create_task(write())
    for number in range(5):
        await backup(store, tmp_path / str(number))
    stop.set()
    await writing
    for number in range(5):
        await restore(store, tmp_path / str(number), force=True)
        stands = await values(store)
        assert stands["network/00000"] == stands["network/00399"]


@pytest.mark.parametrize("cut", range(1, 5))
async def test_half_restored(store: Store, tmp_path: Path, cut: int) -> None:
    """A restore that was cut off is told of to servers and to backups, until it is done again."""
    expected = await fill(store, 20)
    await backup(store, tmp_path / "backup")
    writes: dict[str, bytes | None] = {f"network/{number:05}": None for number in range(20)}
    await store.commit(Transaction(writes=writes))
    with power_cut(store, after=cut, most_writes=6):
        await restore(store, tmp_path / "backup", force=True)
    assert META_RESTORING in await values(store)
    with pytest.raises(SchemaError, match="half restored"):
        await prepare(store)
    with pytest.raises(BackupError, match="holds no whole cluster"):
        await backup(store, tmp_path / "half")
    with pytest.raises(BackupError, match="is not empty"):
        await restore(store, tmp_path / "backup")
    await restore(store, tmp_path / "backup", force=True)
    assert (await restored(store))[0] == expected
    await prepare(store)


async def test_two_restore_at_once(store: Store, other: Store, tmp_path: Path) -> None:
    """Of two that restore into the same store one is told; what stands is one whole backup, or is known not to be."""
    await fill(store, 300)
    await backup(store, tmp_path / "backup")
    results: list[Any] = await asyncio.gather(
        *(restore(each, tmp_path / "backup", force=True) for each in (store, other)), return_exceptions=True
    )
    failed = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(result, BackupError) and "somebody else restores" in str(result) for result in failed)
    assert failed
    await prepare(store)


async def test_only_into_an_empty_store(store: Store, tmp_path: Path) -> None:
    """Nothing is replaced without force."""
    await fill(store, 10)
    await backup(store, tmp_path / "backup")
    await store.commit(Transaction(writes={"network/00001": b"new"}))
    before = await store.read()
    with pytest.raises(BackupError, match="is not empty; restore into an empty one, or replace all of it by --force"):
        await restore(store, tmp_path / "backup")
    assert await store.read() == before


async def test_nothing_to_back_up(store: Store, tmp_path: Path) -> None:
    """A store that holds no cluster makes no backup."""
    with pytest.raises(BackupError, match="there is nothing to back up"):
        await backup(store, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


CUT, NONE = "is cut off or damaged", "is no backup of vxnet"

DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no last line": (lambda content: content[: content[:-1].rindex(b"\n") + 1], CUT),
    "a line fewer": (lambda content: content.replace(content.splitlines(keepends=True)[5], b""), CUT),
    "half": (lambda content: content[: len(content) // 2], CUT),
    "in the last line": (lambda content: content[:-30], CUT),
    "another key": (lambda content: content.replace(b"00003", b"00004"), CUT),
    "twice": (lambda content: content + content, CUT),
    "nothing": (lambda _: b"", NONE),
    "a database": (lambda _: b"SQLite format 3\x00", NONE),
    "other JSON": (lambda _: b"{}\n{}\n", NONE),
    "not UTF-8": (lambda _: b'{"format":"\xff"}\n{}\n', NONE),
    "deep": (lambda _: b'{"x":' + b"[" * 2000 + b"\n{}\n", NONE),
    "later format": (
        lambda content: content.replace(b'"version":1', b'"version":2'),
        "is no backup that this vxnet reads",
    ),
    "later schema": (lambda content: content.replace(b'"schema":1', b'"schema":2'), "is of a newer vxnet"),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damaged_files(store: Store, tmp_path: Path, what: str) -> None:
    """A file that is cut off, damaged or something else is refused, and the store stays as it is."""
    file = tmp_path / "backup"
    damage, words = DAMAGE[what]
    await fill(store, 10)
    await backup(store, file)
    before = await store.read()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(BackupError, match=words) as caught:
        await restore(store, file, force=True)
    assert str(caught.value).startswith(f"{file}: ")
    assert await store.read() == before


async def test_files_that_are_away(store: Store, tmp_path: Path) -> None:
    """A file that cannot be written or read is named, and nothing is left beside it."""
    await fill(store, 10)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(BackupError, match="cannot be written: Is a directory"):
        await backup(store, folder)
    with pytest.raises(BackupError, match="cannot be written: No such file or directory"):
        await backup(store, tmp_path / "not" / "backup")
    with pytest.raises(BackupError, match="cannot be read: No such file or directory"):
        await restore(store, tmp_path / "not", force=True)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def names(folder: Path) -> set[str]:
    """Return the names of what is in a folder."""
    return {file.name for file in folder.iterdir()}
