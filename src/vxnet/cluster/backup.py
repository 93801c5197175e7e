# SPDX-License-Identifier: Apache-2.0
"""A cluster in a file, from which it can be restored, into the same kind of store or the other.

    {"format": "vxnet-backup", "version": 1, "schema": 1, "revision": 4711, "at": "...Z", "items": 2}
    ["network/ID", "BASE64"]
    ["claim/vni/00005001", "BASE64"]
    {"sha256": "of all lines above"}

A restored cluster gets an incarnation of its own: revisions of before mean nothing in it, so that agents begin anew.
Servers are not restored: those that run say so themselves.

    restore:  1. the whole file is read, and right       2. schema and incarnation go, meta/restoring comes
              3. what differs is written, in parts       4. schema and a new incarnation come, meta/restoring goes

Between 2 and 4 no server takes the store; see migrate.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from vxnet.cluster.keys import META_INCARNATION, META_RESTORING, META_SCHEMA, SCHEMA, key
from vxnet.cluster.migrate import new_incarnation
from vxnet.cluster.records import Server
from vxnet.cluster.times import now
from vxnet.errors import VxnetError
from vxnet.store.base import Transaction
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vxnet.store.base import Store

FORMAT, VERSION = "vxnet-backup", 1

_META = frozenset((META_SCHEMA, META_INCARNATION, META_RESTORING))
_SERVERS = key(Server, "")


class BackupError(VxnetError):
    """The file is no whole backup, or cannot be read or written, or the store is not one to restore into."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what the file is of. ``revision`` is the store's, at which all items stood so together."""

    format: str
    version: int
    schema: int
    revision: int
    at: str
    items: int


class _Last(msgspec.Struct, frozen=True):
    sha256: str


async def backup(store: Store, file: Path) -> Header:
    """Write all that the store holds at one revision, for this user's eyes; servers may go on. Return the first line.

    The file is there whole or not at all. BackupError, StoreError.
    """
    revision, items = await store.read()
    values = {item.key: item.value for item in items}
    if META_SCHEMA not in values or META_RESTORING in values:
        raise BackupError(f"{store.url}: holds no whole cluster; there is nothing to back up")
    kept = [(name, value) for name, value in values.items() if name not in _META]
    schema = int(values[META_SCHEMA])
    header = Header(format=FORMAT, version=VERSION, schema=schema, revision=revision, at=now(), items=len(kept))
    await asyncio.to_thread(_write, file, header, kept)
    return header


async def restore(store: Store, file: Path, *, force: bool = False) -> Header:
    """Make the store hold what the file holds; with ``force``, in place of all that is in it. Return the first line.

    Servers of this store have to be stopped. BackupError, StoreError.
    """
    header, wanted = await asyncio.to_thread(_read, file)
    stands = {item.key: item for item in (await store.read())[1]}
    if stands and not force:
        raise BackupError(f"{store.url}: is not empty; restore into an empty one, or replace all of it by --force")
    mark = await store.commit(
        Transaction(
            unchanged={name: stands[name].revision if name in stands else 0 for name in _META},
            writes={META_SCHEMA: None, META_INCARNATION: None, META_RESTORING: header.at.encode()},
        )
    )
    todo: dict[str, bytes | None] = dict.fromkeys(stands.keys() - wanted.keys() - _META)
    todo |= {name: value for name, value in wanted.items() if name not in stands or stands[name].value != value}
    last: dict[str, bytes | None] = {
        META_SCHEMA: b"%d" % header.schema,
        META_INCARNATION: new_incarnation(),
        META_RESTORING: None,
    }
    for writes in (*_parts(todo, store.most_writes), last):
        if mark is None or await store.commit(Transaction(unchanged={META_RESTORING: mark}, writes=writes)) is None:
            raise BackupError(f"{store.url}: somebody else restores or uses it; stop that, then again with --force")
    return header


def _parts(writes: dict[str, bytes | None], most: int) -> Iterator[dict[str, bytes | None]]:
    todo = list(writes.items())
    return (dict(todo[first : first + most]) for first in range(0, len(todo), most))


def _write(file: Path, header: Header, items: Iterable[tuple[str, bytes]]) -> None:
    """Write a new file beside it, which then takes its place."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as writing:
            for line in (header, *items):
                encoded = msgspec.json.encode(line) + b"\n"
                digest.update(encoded)
                writing.write(encoded)
            writing.write(msgspec.json.encode(_Last(digest.hexdigest())) + b"\n")
            writing.flush()
            os.fsync(writing.fileno())
        beside.rename(file)
    except OSError as error:
        raise BackupError(f"{file}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _read(file: Path) -> tuple[Header, dict[str, bytes]]:
    """Return what the file holds, if it is whole."""
    try:
        *lines, last = file.read_bytes().splitlines(keepends=True) or [b""]
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        header = msgspec.json.decode(lines[0] if lines else b"", type=Header)
    except UNDECODABLE as error:
        raise BackupError(f"{file}: is no backup of vxnet: {error}") from error
    if (header.format, header.version) != (FORMAT, VERSION):
        what = f"format {header.format!r}, version {header.version}"
        raise BackupError(f"{file}: is no backup that this vxnet reads ({what}); install the one that made it")
    if header.schema > SCHEMA:
        raise BackupError(f"{file}: is of a newer vxnet (schema {header.schema}, not {SCHEMA}); install that one")
    whole = _Last(hashlib.sha256(b"".join(lines)).hexdigest())
    if last.strip() != msgspec.json.encode(whole) or len(lines) != header.items + 1:
        raise BackupError(f"{file}: is cut off or damaged: its checksum is not right; take another backup")
    items = (msgspec.json.decode(line, type=tuple[str, bytes]) for line in lines[1:])
    return header, {name: value for name, value in items if not name.startswith(_SERVERS)}
