# SPDX-License-Identifier: Apache-2.0
"""The SQLite store's own: its file, other processes, what it says when something is wrong. The rest: interop/store."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.following import take
from vxnet.errors import ConfigError
from vxnet.store import sqlite
from vxnet.store.base import CompactedError, StoreError, Transaction
from vxnet.store.open import open_store
from vxnet.store.prefix import end_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from vxnet.store.base import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests by asyncio."""
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file is to be."""
    return tmp_path / "cluster.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """Return the empty store, open."""
    opened = await open_store(f"sqlite://{path}")
    yield opened
    await opened.close()


async def put(store: Store, key: str, value: bytes | None = b"") -> int | None:
    """Write one key."""
    return await store.commit(Transaction(writes={key: value}))


async def test_only_the_owner_reads_it(store: Store, path: Path) -> None:
    """Nobody but the user that made the files may read them: hashes of passwords are in them."""
    await put(store, "key")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("cluster.db", "cluster.db-wal", "cluster.db-shm"), 0o600)


async def test_stands_when_opened_again(path: Path) -> None:
    """What was answered is there for whoever opens the file next, and so is its history."""
    store = await open_store(f"sqlite://{path}")
    first = await put(store, "a") or 0
    await put(store, "b", b"2")
    await store.close()
    store = await open_store(f"sqlite://{path}")
    assert [item.key for item in (await store.read())[1]] == ["a", "b"]
    assert [batch.changes for batch in await take(store, first, 1)] == [(("b", b"2"),)]
    await store.close()


async def test_many_commits_wait_for_the_disk_once(store: Store) -> None:
    """Those who commit while the disk is busy are committed together, each by its own conditions, in order."""
    commits = []
    store._writer.set_trace_callback(lambda statement: commits.append(statement) if "COMMIT" in statement else None)  # type: ignore[attr-defined]
    same = [store.commit(Transaction(unchanged={"one": 0}, writes={"one": b""})) for _ in range(50)]
    more = [put(store, str(number)) for number in range(50)]
    revisions = await asyncio.gather(*same, *more)
    assert [revision for revision in revisions if revision] == list(range(1, 52))
    assert revisions[0] == 1
    assert len(commits) <= 2


async def test_whose_mistake_it_is(store: Store) -> None:
    """A transaction that cannot be written fails alone, and not those that were committed together with it."""
    results = await asyncio.gather(
        put(store, "before"),
        store.commit(Transaction(writes={"half": b"", "text": "no bytes \ud800"})),  # type: ignore[dict-item]
        put(store, "after"),
        return_exceptions=True,
    )
    assert isinstance(results[1], UnicodeEncodeError)
    assert [item.key for item in (await store.read())[1]] == ["after", "before"]


async def test_forgets_what_is_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many transactions as are kept can be followed; of those before, the log is rid by itself."""
    monkeypatch.setattr(sqlite, "KEPT", 100)
    for number in range(250):
        await put(store, str(number % 10), str(number).encode())
    revision = await store.revision()
    assert len(await take(store, revision - 100, 100)) == 100
    with pytest.raises(CompactedError, match="are not kept"):
        await take(store, revision - 111, 1)
    assert len((await store.read())[1]) == 10


async def test_waits_for_another_writer(store: Store, path: Path) -> None:
    """While another process writes, a commit waits; when it has written, both are there."""
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(put(store, "key"))
        revision = await store.revision()
        another.execute("COMMIT")
        assert await waiting == revision + 1


async def test_does_not_wait_for_ever(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that keeps the file locked is told of; when it lets go, the store works as before."""
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(put(store, "a"), put(store, "b"), return_exceptions=True)
        assert all("another process has kept it locked" in str(result) for result in results)
        assert all(isinstance(result, StoreError) for result in results)
        another.execute("ROLLBACK")
    assert await put(store, "c") is not None
    assert [item.key for item in (await store.read())[1]] == ["c"]


async def test_is_closed(path: Path) -> None:
    """A store that was closed says so, to those that follow it too."""
    store = await open_store(f"sqlite://{path}")
    following = asyncio.create_task(take(store, 0, 1))
    await asyncio.sleep(0)
    await store.close()
    for attempt in (following, put(store, "key"), store.revision()):
        with pytest.raises(StoreError, match="closed"):
            await attempt


async def test_two_make_it_at_once(path: Path) -> None:
    """Servers that start together make one store."""
    stores = await asyncio.gather(*(open_store(f"sqlite://{path}") for _ in range(8)))
    revisions = await asyncio.gather(*(put(store, "same") for store in stores))
    assert sorted(revision or 0 for revision in revisions) == list(range(1, 9))
    for store in stores:
        await store.close()


async def test_file_that_is_gone(store: Store, path: Path) -> None:
    """A file that was removed is not made anew and read as an empty store."""
    await put(store, "key")
    remove_all(path.parent)
    with pytest.raises(StoreError, match=r"cannot be opened; is there its folder"):
        await store.read()
    assert not any(path.parent.iterdir())


def remove_all(folder: Path) -> None:
    """Remove the files of a folder."""
    for file in list(folder.iterdir()):
        file.unlink()


def no_folder(path: Path) -> Path:
    """Name a file in a folder that is not there."""
    return path.parent / "not" / "cluster.db"


def a_folder(path: Path) -> Path:
    """Name a folder."""
    path.mkdir()
    return path


def no_database(path: Path) -> Path:
    """Name a file that is something else."""
    path.write_bytes(b"#!/bin/sh\n" * 1000)
    return path


def of_another_program(path: Path) -> Path:
    """Name a database with other tables."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE items (key)")
    return path


def of_a_newer_one(path: Path) -> Path:
    """Name a store of a later version."""
    asyncio.run(_make(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    return path


def damaged(path: Path) -> Path:
    """Name a store in whose middle a disk has written something else."""
    asyncio.run(_make(path))
    content = bytearray(path.read_bytes())
    content[100:] = b"\x55" * (len(content) - 100)
    path.write_bytes(content)
    return path


async def _make(path: Path) -> None:
    store = await open_store(f"sqlite://{path}")
    await put(store, "key")
    await store.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_folder, "no such file or directory; the file cannot be opened; is there its folder"),
        (a_folder, "is a directory; the file cannot be opened"),
        (no_database, "the file is not of SQLite; name another"),
        (of_another_program, "it is the database of another program; name another file"),
        (of_a_newer_one, r"made by a newer vxnet \(tables 2, not 1\); install that"),
        (damaged, "the file is damaged; move it away and restore a backup: vxnet cluster restore"),
    ],
)
def test_bad_files(path: Path, make: object, words: str) -> None:
    """What cannot be opened is named, with the cure, in one line; and it stays as it is."""
    assert callable(make)
    bad = make(path)
    before = bad.read_bytes() if bad.is_file() else None
    with pytest.raises(StoreError, match=words) as caught:
        asyncio.run(open_store(f"sqlite://{bad}"))
    assert str(caught.value).startswith(f"{bad}: ")
    assert "\n" not in str(caught.value)
    assert (bad.read_bytes() if bad.is_file() else None) == before


@pytest.mark.parametrize(
    "url", ["", "/var/lib/x", "sqlite://", "sqlite:///", "sqlite://x.db", "mysql://h/x", "etcd:2379"]
)
async def test_unknown_urls(url: str) -> None:
    """What is no URL of a store is answered with the two forms of those that are."""
    with pytest.raises(ConfigError, match=r"sqlite:///PATH or etcd://HOST:PORT"):
        await open_store(url)


def test_end_of_a_prefix() -> None:
    """All that begins with a prefix is before its end, in the order of bytes; and what comes next is not."""
    assert end_of(b"a/") == b"a0"
    assert b"a/" + "\U0010ffff".encode() * 9 < end_of(b"a/") <= b"a0"
    assert "\U0010ffff".encode() < end_of(b"")
