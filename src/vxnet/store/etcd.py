# SPDX-License-Identifier: Apache-2.0
"""A store in etcd: for more than one server, on more than one machine.

    /vxnet/                 written by every commit, so that its revision is that of the last one
    /vxnet/network/ID       ...and so on: the store's keys, each behind /vxnet/

    commit --> /v3/kv/txn      compare: unchanged (MOD), empty (CREATE of a range)     success: puts, deletions
    read   --> /v3/kv/range    in pages, all of them at the revision of the first
    follow --> /v3/watch       from the last revision on

Revisions are etcd's. Others may keep their keys in the same etcd: theirs count the revision up, too, but are not
waited for, since `revision` tells only of ours.

The client is our own, a few requests of etcd's JSON gateway: of what there is, the one library that is kept well
(etcd3gw) is synchronous and knows one member, and the asynchronous one (aetcd) is a release candidate of one author.
There is no TLS and there are no users towards etcd yet: it belongs into a network of its own.

An answer that got lost. A commit is sent once more if that cannot make it twice: if the first one, should it have been
carried out, has changed what the second asks for. Either the second is made; or something has changed, and the history
of /vxnet/, where each commit leaves a mark of its own, tells whether that was the first one. What cannot be sent twice
fails with StoreError, and may be written all the same.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from vxnet.store.base import Batch, Change, CompactedError, Item, Store, StoreError
from vxnet.store.etcdclient import EtcdClient, KeyValue, Range, RefusedError, Txn, UncertainError
from vxnet.store.prefix import end_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vxnet.store.base import Transaction
    from vxnet.store.etcdclient import Watch

ROOT = b"/vxnet/"
"""What every key of ours begins with; and itself the key that every commit writes."""

MOST_WRITES = 127
"""etcd's --max-txn-ops is 128, for each of compare and success; one is the key above."""

PAGE = 5000
"""How many keys are read at a time. etcd counts all that are left for each page, so small ones take longer."""


class EtcdStore(Store):
    """The store in the etcd whose ``members`` are at these HOST:PORT; nothing is asked yet."""

    most_writes = MOST_WRITES

    def __init__(self, members: list[str]) -> None:
        """Know where they are."""
        self.url = f"etcd://{','.join(members)}"
        self._client = EtcdClient(self.url, members)
        self._asking = asyncio.Lock()
        self._next: asyncio.Task[int] | None = None
        self._newest = 0
        """The highest revision that was seen."""

    async def read(self, prefix: str = "") -> tuple[int, list[Item]]:
        """See `Store.read`."""
        while True:
            try:
                return await self._read(prefix)
            except RefusedError as error:
                if not _is_compacted(error):  # between two pages
                    raise

    async def revision(self) -> int:
        """See `Store.revision`. All who ask while a question is under way get the answer of the next one."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask_next())
        return await asyncio.shield(self._next)

    async def commit(self, transaction: Transaction) -> int | None:
        """See `Store.commit`."""
        if max(len(transaction.writes), len(transaction.unchanged) + len(transaction.empty)) > MOST_WRITES:
            raise ValueError(f"more than {MOST_WRITES} keys in one transaction")
        mark = secrets.token_bytes(12)
        request = _request(transaction, mark)
        since = self._newest
        lost = False
        try:
            answer = await self._client.call("/v3/kv/txn", request, Txn, once=True)
        except UncertainError:
            if not _excludes_itself(transaction):
                raise
            lost = True
            answer = await self._client.call("/v3/kv/txn", request, Txn)
        self._saw(answer.header.revision)
        if answer.succeeded:
            return answer.header.revision
        return await self._find(mark, since, answer.header.revision) if lost else None

    async def follow(self, after: int) -> AsyncIterator[Batch]:
        """See `Store.follow`."""
        failed = 0
        while True:
            # From the revision that is there already: a deletion in the revision of a compaction is not told to those
            # who ask for it (https://github.com/etcd-io/etcd/issues/18089), yet to ask for one before is refused.
            request = {"key": ROOT, "range_end": end_of(ROOT), "start_revision": max(after, 1)}
            try:
                async with self._client.watch(request) as messages:
                    async for message in messages:
                        if message.created:
                            await self._check(after, message.header.revision)
                            failed = 0
                        for batch in _batches(message):
                            if batch.revision > after:
                                yield batch
                                after = batch.revision
            except CompactedError:
                raise
            except StoreError:
                failed += 1
                if failed >= self._client.members:
                    raise

    async def compact(self, before: int) -> None:
        """See `Store.compact`."""
        await self._stamp()
        revision = min(before - 1, self._newest)
        if revision < 1:
            return
        try:
            await self._client.call("/v3/kv/compaction", {"revision": revision}, Range)
        except RefusedError as error:
            if not _is_compacted(error):
                raise

    async def close(self) -> None:
        """See `Store.close`."""
        await self._client.close()

    async def _read(self, prefix: str) -> tuple[int, list[Item]]:
        first, end = ROOT + prefix.encode(), end_of(ROOT + prefix.encode())
        revision = 0
        items: list[Item] = []
        more = True
        while more:
            request = {"key": first, "range_end": end, "limit": PAGE, "revision": revision}
            page = await self._client.call("/v3/kv/range", request, Range)
            revision = revision or page.header.revision
            items += (Item(_name(kv.key), kv.value, kv.mod_revision) for kv in page.kvs if kv.key != ROOT)
            more = page.more
            if more:
                first = page.kvs[-1].key + b"\0"
        self._saw(revision)
        return revision, items

    async def _ask_next(self) -> int:
        async with self._asking:
            self._next = None  # who asks from now on may know of a commit that this answer does not
            return (await self._stamp()).mod_revision

    async def _stamp(self, at: int = 0) -> KeyValue:
        """Return what the last commit has left, now or at a revision; with revision 0, if there was none."""
        found = await self._client.call("/v3/kv/range", {"key": ROOT, "revision": at}, Range)
        self._saw(found.header.revision)
        return found.kvs[0] if found.kvs else KeyValue()

    async def _find(self, mark: bytes, since: int, until: int) -> int | None:
        """Return the revision of the commit that left this mark, of those after one revision until another."""
        while until > since:
            stamp = await self._stamp(until)
            if stamp.value == mark:
                return stamp.mod_revision
            until = stamp.mod_revision - 1
        return None

    async def _check(self, after: int, revision: int) -> None:
        """Raise CompactedError if that revision is yet to come. The member that is followed may only be behind."""
        if revision < after and (await self._stamp()).mod_revision <= self._newest < after:
            raise CompactedError(f"{self.url}: revision {after} is not of this store, which is at {self._newest}")

    def _saw(self, revision: int) -> None:
        self._newest = max(self._newest, revision)


def _request(transaction: Transaction, mark: bytes) -> dict[str, Any]:
    compare: list[dict[str, Any]] = [
        {"key": _key(name), "target": "MOD", "result": "EQUAL", "mod_revision": revision}
        for name, revision in transaction.unchanged.items()
    ]
    for prefix in transaction.empty:
        first = _key(prefix) if prefix else ROOT + b"\0"
        of_range = {"key": first, "range_end": end_of(_key(prefix))}
        compare.append({**of_range, "target": "CREATE", "result": "EQUAL", "create_revision": 0})
    success: list[dict[str, Any]] = [
        {"request_delete_range": {"key": _key(name)}}
        if value is None
        else {"request_put": {"key": _key(name), "value": value}}
        for name, value in transaction.writes.items()
    ]
    if success:
        success.append({"request_put": {"key": ROOT, "value": mark}})
    return {"compare": compare, "success": success}


def _excludes_itself(transaction: Transaction) -> bool:
    """Whether, once it is made, one of its own conditions does not hold any more."""
    return any(
        name in transaction.writes and (revision or transaction.writes[name] is not None)
        for name, revision in transaction.unchanged.items()
    )


def _batches(message: Watch) -> list[Batch]:
    """Return the transactions that a message tells of: etcd never splits one (unless asked for fragments)."""
    if message.compact_revision:
        raise CompactedError(f"the changes before revision {message.compact_revision} are not kept")
    if message.canceled:
        raise StoreError(f"etcd ended the stream of changes: {message.cancel_reason or 'it did not say why'}")
    batches: defaultdict[int, list[Change]] = defaultdict(list)
    for event in message.events:
        changes = batches[event.kv.mod_revision]
        if event.kv.key != ROOT:
            changes.append(Change(_name(event.kv.key), event.kv.value if event.type == "PUT" else None))
    return [Batch(revision, tuple(changes)) for revision, changes in batches.items()]


def _key(name: str) -> bytes:
    return ROOT + name.encode()


def _name(key: bytes) -> str:
    return key[len(ROOT) :].decode()


def _is_compacted(error: StoreError) -> bool:
    return "has been compacted" in str(error)
