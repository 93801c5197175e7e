# SPDX-License-Identifier: Apache-2.0
"""A store in one SQLite file. Its servers are processes of one machine; as a rule there is one.

    commit() --> waiting: T1 T2 T3          the event loop                        a thread
    commit() -->                            BEGIN IMMEDIATE
                                            T1: holds? write
                                            T2: holds? write
                                            T3: does not hold: None
                                                                  ----------->    COMMIT: waits for the disk
    commit() --> waiting: T4                                      <-----------
                                            answers T1 T2 T3, wakes those that follow

So however many commit at once, the disk is waited for once. Only COMMIT is left to a thread: the statements before it
take microseconds in memory, and in a thread each would wait for Python's lock as long as the event loop is busy.

Other processes that write are waited for, and seen: `revision` looks into the file, `follow` at short intervals.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from vxnet.store.base import Batch, Change, CompactedError, Item, Store, StoreError
from vxnet.store.prefix import end_of
from vxnet.store.sqlitefile import PATIENCE, connect, create_or_open, is_busy, store_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from vxnet.store.base import Transaction

T = TypeVar("T")

MOST_WRITES = 10_000

KEPT = 10_000
"""How many transactions can be followed afterwards; up to a tenth more are kept, so as not to forget with each."""

LOOK = 0.1
"""Seconds between two looks for what other processes wrote."""

_AT_ONCE = 256
"""How many transactions are committed together, or read from the log at a time, at the most."""

_PAUSE = 0.005
"""Seconds between attempts while another process writes."""


class _Job(NamedTuple):
    """What is done inside an SQLite transaction, and who waits for its result."""

    work: Callable[[], Any]
    answer: asyncio.Future[Any]


class SqliteStore(Store):
    """The store in the file at ``path``; see `open`."""

    most_writes = MOST_WRITES

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        """Take what `create_or_open` gives."""
        self.url = f"sqlite://{path}"
        self._path = path
        self._reader, self._writer = reader, writer
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._waiting: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._told = 0

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        """Make the file if there is none, and open it. StoreError names the file and the cure."""
        return cls(path, *await asyncio.to_thread(create_or_open, path))

    async def read(self, prefix: str = "") -> tuple[int, list[Item]]:
        """See `Store.read`."""
        try:
            return await asyncio.to_thread(_read, self._path, prefix)
        except sqlite3.Error as error:
            raise store_error(self._path, error) from error

    async def revision(self) -> int:
        """See `Store.revision`."""
        revision = await self._patiently(partial(_counter, self._reader, "revision"))
        if revision > self._told:
            self._tell(revision)  # of another process, which those that follow need not look for any more
        return revision

    async def commit(self, transaction: Transaction) -> int | None:
        """See `Store.commit`."""
        if max(len(transaction.writes), len(transaction.unchanged) + len(transaction.empty)) > MOST_WRITES:
            raise ValueError(f"more than {MOST_WRITES} keys in one transaction")
        revision: int | None = await self._do(partial(_make, self._writer, transaction))
        return revision

    async def compact(self, before: int) -> None:
        """See `Store.compact`."""
        await self._do(partial(_forget, self._writer, before))

    async def follow(self, after: int) -> AsyncIterator[Batch]:
        """See `Store.follow`."""
        while True:
            news = self._news
            batches = await self._patiently(partial(_log, self._reader, after))
            for batch in batches:
                yield batch
                after = batch.revision
            if not batches:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await news.wait()

    async def close(self) -> None:
        """See `Store.close`."""
        if self._writing:
            await asyncio.wait((self._writing,))
        self._disk.shutdown()
        self._reader.close()
        self._writer.close()

    async def _do(self, work: Callable[[], T]) -> T:
        """Return the result of ``work`` once it is on disk."""
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        result: T = await job.answer
        return result

    async def _write(self) -> None:
        """Do what waits: a task of its own, so that those who wait may be cancelled without harm to the others."""
        while self._waiting:
            jobs, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            failed = await self._together(jobs)
            for job in jobs:
                if isinstance(failed, StoreError):  # it could not even begin
                    _fail(job, failed)
                elif failed and (error := await self._together([job])):  # so whoever is to blame fails alone
                    _fail(job, store_error(self._path, error) if isinstance(error, sqlite3.Error) else error)

    async def _together(self, jobs: list[_Job]) -> Exception | None:
        """Do all jobs, commit, and answer them; or return what was wrong with one, and none is done."""
        try:
            await self._patiently(partial(self._writer.execute, "BEGIN IMMEDIATE"))
            try:
                results = [job.work() for job in jobs]
                revision = _counter(self._writer, "revision")
                await asyncio.get_running_loop().run_in_executor(self._disk, self._writer.commit)
            finally:
                self._writer.rollback()  # nothing, after COMMIT
        except Exception as error:  # noqa: BLE001  (it is raised where the job was asked for)
            return error
        self._tell(revision)
        for job, result in zip(jobs, results, strict=True):
            if not job.answer.done():  # cancelled
                job.answer.set_result(result)
        return None

    def _tell(self, revision: int) -> None:
        """Wake those that follow."""
        self._told = revision
        self._news.set()
        self._news = asyncio.Event()

    async def _patiently(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns, which is tried again while another process is in the way."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + PATIENCE
        while True:
            try:
                return attempt()
            except sqlite3.Error as error:
                if not is_busy(error) or clock() > deadline:
                    raise store_error(self._path, error) from error
            await asyncio.sleep(_PAUSE)


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():  # cancelled
        job.answer.set_exception(error)


def _counter(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(value)


def _set_counter(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE counters SET value = ? WHERE name = ?", (value, name))


def _make(connection: sqlite3.Connection, transaction: Transaction) -> int | None:
    """Make the writes if all that is asked for holds. Return the revision then."""
    if not _holds(connection, transaction):
        return None
    revision = _counter(connection, "revision")
    changes = [
        (key, value)
        for key, value in transaction.writes.items()
        if value is not None or connection.execute("SELECT 1 FROM items WHERE key = ?", (key,)).fetchone()
    ]
    if not changes:
        return revision
    revision += 1
    for seq, (key, value) in enumerate(changes):
        connection.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (revision, seq, key, value))
        if value is None:
            connection.execute("DELETE FROM items WHERE key = ?", (key,))
        else:
            connection.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (key, value, revision))
    _set_counter(connection, "revision", revision)
    if revision - _counter(connection, "forgotten") > KEPT + KEPT // 10:
        _forget(connection, revision - KEPT + 1)
    return revision


def _holds(connection: sqlite3.Connection, transaction: Transaction) -> bool:
    for key, revision in transaction.unchanged.items():
        row = connection.execute("SELECT revision FROM items WHERE key = ?", (key,)).fetchone()
        if (row[0] if row else 0) != revision:
            return False
    return not any(
        connection.execute(f"SELECT 1 {_BEGINNING} LIMIT 1", _range(prefix)).fetchone() for prefix in transaction.empty
    )


def _forget(connection: sqlite3.Connection, before: int) -> None:
    """Let the log begin at that revision, or with the next one that will be."""
    last = min(before - 1, _counter(connection, "revision"))
    if last > _counter(connection, "forgotten"):
        connection.execute("DELETE FROM log WHERE revision <= ?", (last,))
        _set_counter(connection, "forgotten", last)


_BEGINNING = "FROM items WHERE key >= ? AND key < CAST(? AS TEXT)"


def _range(prefix: str) -> tuple[str, bytes]:
    return prefix, end_of(prefix.encode())


def _read(path: Path, prefix: str) -> tuple[int, list[Item]]:
    """Read what stands, by a connection of its own: it may take long, and nobody has to wait for it."""
    with closing(connect(path, patience=PATIENCE)) as connection:
        connection.execute("BEGIN")
        revision = _counter(connection, "revision")
        rows = connection.execute(f"SELECT key, value, revision {_BEGINNING} ORDER BY key", _range(prefix))
        return revision, [Item(*row) for row in rows]


def _log(connection: sqlite3.Connection, after: int) -> list[Batch]:
    """Return the next transactions after that revision."""
    connection.execute("BEGIN")
    try:
        revision, forgotten = _counter(connection, "revision"), _counter(connection, "forgotten")
        if not forgotten <= after <= revision:
            message = f"the changes after revision {after} are not kept; they are from {forgotten} to {revision}"
            raise CompactedError(message)
        rows = connection.execute(
            "SELECT revision, key, value FROM log WHERE revision > ? AND revision <= ? ORDER BY revision, seq",
            (after, after + _AT_ONCE),
        )
        batches: defaultdict[int, list[Change]] = defaultdict(list)
        for of, key, value in rows:
            batches[of].append(Change(key, value))
    finally:
        connection.rollback()
    return [Batch(of, tuple(changes)) for of, changes in batches.items()]
