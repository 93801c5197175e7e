# SPDX-License-Identifier: Apache-2.0
"""The file of an SQLite store: making it, opening it, and what is wrong with it, in words.

    items(key, value, revision)       what stands
    log(revision, seq, key, value)    what the last transactions changed; value NULL: the key is gone
    counters(name, value)             revision: of the last transaction; forgotten: the last one that is not in the log

SQLite keeps two files beside it, -wal and -shm (https://sqlite.org/wal.html). They get the file's mode.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING

from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = 0x76786E74
"""What `PRAGMA application_id` says of our files: "vxnt"."""

LAYOUT = 1
"""What `PRAGMA user_version` says: the number of the tables below. Of what is kept in them, see cluster/keys.py."""

PATIENCE = 10.0
"""Seconds to wait for another process that writes."""

_TABLES = """
CREATE TABLE items (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE log (
    revision INTEGER NOT NULL, seq INTEGER NOT NULL, key TEXT NOT NULL, value BLOB, PRIMARY KEY (revision, seq)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('revision', 0), ('forgotten', 0);
"""

_CURES = {
    sqlite3.SQLITE_FULL: "there is no room on the disk; make some",
    sqlite3.SQLITE_READONLY: "it cannot be written; give this user the right to write the file and its folder",
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {PATIENCE:g} s; end that, or try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; move it away and restore a backup: vxnet cluster restore",
    sqlite3.SQLITE_NOTADB: "the file is not of SQLite; name another",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; is there its folder, and may this user write there?",
    sqlite3.SQLITE_IOERR: "the disk does not do what it is asked; look for its errors in the kernel's log",
}
"""What to do, by SQLite's primary result code (https://sqlite.org/rescode.html)."""


def create_or_open(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Make the file, only for this user, or see that it is one of ours. Return a connection to read and one to write.

    Takes a while: not for an event loop. StoreError names the file and the cure.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"{path}: {(error.strerror or str(error)).lower()}; {_CURES[sqlite3.SQLITE_CANTOPEN]}"
        ) from error
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _prepare(path)
            return connect(path), connect(path)
        except sqlite3.Error as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise store_error(path, error) from error
        time.sleep(0.01)  # two that turn a new file to WAL at once do not wait for one another (sqlite.org/wal.html)


def connect(path: Path, *, patience: float = 0) -> sqlite3.Connection:
    """Return a connection without transactions of its own making, that waits for locks for so many seconds."""
    uri = f"{path.absolute().as_uri()}?mode=rw"  # rw: a file that is gone is not made anew, empty
    connection = sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")  # on disk when it is answered
    return connection


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process was in the way, which passes."""
    return _primary(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what SQLite said as an error that names the file and the cure."""
    cure = _CURES.get(_primary(error))
    return StoreError(f"{path}: {cure} ({error})" if cure else f"{path}: {error}")


def _primary(error: sqlite3.Error) -> int:
    # Only what SQLite itself says has a code; "Cannot operate on a closed database" is Python's.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF


def _prepare(path: Path) -> None:
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
        elif application != APPLICATION:
            raise StoreError(f"{path}: it is the database of another program; name another file")
        elif layout != LAYOUT:
            raise StoreError(f"{path}: it was made by a newer vxnet (tables {layout}, not {LAYOUT}); install that")
        connection.execute("COMMIT")
        # Last, since it changes the file, which may not be ours.
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise StoreError(f"{path}: its file system cannot share memory between processes; name a local file")
    finally:
        connection.close()
