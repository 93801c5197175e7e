# SPDX-License-Identifier: Apache-2.0
"""The etcd store while members are killed, stopped and cut off: nothing is lost, nothing doubled, nobody hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.cutting import cutting
from tests.support.following import take, take_until, until
from vxnet.cluster.migrate import prepare
from vxnet.cluster.writing import Cluster
from vxnet.lab.etcd import Etcd
from vxnet.store import etcdclient
from vxnet.store.base import StoreError, Transaction
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from vxnet.store.base import Batch, Store

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """Return an etcd of three members, all of which run."""
    with Etcd(tmp_path_factory.mktemp("etcd"), members=3) as running:
        yield running


@pytest.fixture
async def store(three: Etcd) -> AsyncIterator[Store]:
    """Return a store in it, that knows all three."""
    three.empty()
    opened = await open_store(three.url)
    yield opened
    await opened.close()


class Load:
    """Writes and follows without end, and remembers what was answered and told."""

    def __init__(self, store: Store, before: int) -> None:
        """Begin after that revision."""
        self.answered: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.told: list[Batch] = []
        self.errors: list[str] = []
        self._store, self._before = store, before
        self._tasks = [asyncio.create_task(self._write(name)) for name in "abcd"]
        self._follower = asyncio.create_task(self._follow())
        self._stop = False

    async def more(self, count: int = 30) -> None:
        """Wait until so many more were answered."""
        wanted = len(self.answered) + count
        await until(lambda: len(self.answered) >= wanted)

    async def stop(self) -> None:
        """Stop writing, and follow until the last."""
        self._stop = True
        await asyncio.gather(*self._tasks)
        last = await self._store.commit(Transaction(writes={"end": b""}))
        assert last
        await until(lambda: self.told and self.told[-1].revision >= last)
        self._follower.cancel()

    async def _write(self, name: str) -> None:
        number = 0
        while not self._stop:
            number += 1
            key = f"{name}/{number}"
            try:
                revision = await self._store.commit(
                    Transaction(unchanged={key: 0}, writes={key: b"", f"{key}/too": b""})
                )
            except StoreError:
                self.unknown.add(key)
            else:
                assert revision is not None, "a key of its own was somebody else's"
                self.answered[key] = revision

    async def _follow(self) -> None:
        after = self._before
        while True:
            try:
                async for batch in self._store.follow(after):
                    self.told.append(batch)
                    after = batch.revision
            except StoreError as error:
                self.errors.append(str(error))


async def run(store: Store, disturb: Callable[[Load], object]) -> None:
    """Write and follow while something happens to the members; then compare all that is known."""
    load = Load(store, (await store.read())[0])
    await load.more()
    await disturb(load)  # type: ignore[misc]
    await load.more()
    await load.stop()
    revisions = [batch.revision for batch in load.told]
    assert revisions == sorted(set(revisions)), "told twice, or out of order"
    told = {change.key: batch.revision for batch in load.told for change in batch.changes}
    stands = {item.key: item.revision for item in (await store.read())[1]}
    assert told == stands
    for key, revision in load.answered.items():
        assert stands[key] == stands[f"{key}/too"] == revision
    for key in load.unknown:
        assert (key in stands) == (f"{key}/too" in stands)
    assert {key.removesuffix("/too") for key in stands} - {"end"} <= load.answered.keys() | load.unknown


async def test_leader_killed_and_returned(three: Etcd, store: Store) -> None:
    """While the leader is killed and comes back, what was answered stands, once, and is told once and in order."""

    async def disturb(load: Load) -> None:
        leader = three.leader()
        three.kill(leader)
        await load.more()
        await asyncio.to_thread(three.restart, leader)

    await run(store, disturb)


async def test_every_member_killed_in_turn(three: Etcd, store: Store) -> None:
    """One after another, each member is killed and returned: there is always a majority, and so always an answer."""

    async def disturb(load: Load) -> None:
        for member in range(3):
            three.kill(member)
            await load.more(10)
            await asyncio.to_thread(three.restart, member)

    await run(store, disturb)


async def test_stopped_member(three: Etcd, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that says nothing any more, its connections open, is left, by those who follow it too."""
    monkeypatch.setattr(etcdclient, "IDLE", 0.5)
    monkeypatch.setattr(etcdclient, "ATTEMPT", 0.5)

    async def disturb(load: Load) -> None:
        three.pause(0)
        try:
            await load.more()
            seen = len(load.told)
            await until(lambda: len(load.told) > seen + 30)
        finally:
            three.resume(0)

    await run(store, disturb)


async def test_no_majority(three: Etcd, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a majority everything is refused in words, within seconds; with one again, everything goes on."""
    monkeypatch.setattr(etcdclient, "PATIENCE", 1.0)
    before = await store.commit(Transaction(writes={"before": b""})) or 0
    following = asyncio.create_task(take(store, before, 1))
    killed = [member for member in range(3) if member != three.leader()]
    for member in killed:
        three.kill(member)
    for attempt in (store.read(), store.revision(), store.commit(Transaction(unchanged={"k": 0}, writes={"k": b""}))):
        with pytest.raises(StoreError, match=three.url):
            await attempt
    with pytest.raises(StoreError):
        await following
    for member in killed:
        await asyncio.to_thread(three._start, member)
    for member in killed:
        await asyncio.to_thread(three._wait, member)
    after = await store.commit(Transaction(writes={"after": b""}))
    assert after
    told = [change.key for batch in await take_until(store, before, after) for change in batch.changes]
    assert told in (["after"], ["k", "after"])


async def test_server_outlives_an_outage(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose etcd was away, and has compacted meanwhile what the server lacks, has everything again."""
    monkeypatch.setattr(etcdclient, "PATIENCE", 0.5)
    with Etcd(tmp_path_factory.mktemp("etcd")) as one:
        store, other = await open_store(one.url), await open_store(one.url)
        await prepare(store)
        cluster = await Cluster.open(store)
        running = asyncio.create_task(cluster.run())
        await cluster.fresh()
        one.kill(0)
        with pytest.raises(StoreError, match="is etcd up"):
            await cluster.fresh()
        await until(lambda: cluster.trouble)
        await asyncio.to_thread(one.restart, 0)
        await other.commit(Transaction(writes={"meta/incarnation": b"another"}))
        await other.compact(await other.revision() + 1)
        replica = await cluster.fresh()
        assert replica.incarnation == "another"
        assert cluster.trouble == ""
        running.cancel()
        await store.close()
        await other.close()


async def test_lost_answer(three: Etcd, store: Store) -> None:
    """A commit whose answer got lost is made once, and its revision is the answer."""
    async with cutting(three.address(0)) as way:
        through = await open_store(f"etcd://{way.address}")
        await through.revision()
        for number in range(5):
            way.lose_next()
            key = f"k{number}"
            revision = await through.commit(Transaction(unchanged={key: 0}, writes={key: b""}))
            assert [item.revision for item in (await store.read(key))[1]] == [revision]
        await through.close()


async def test_lost_answer_and_others_write(three: Etcd, store: Store) -> None:
    """Whoever writes before it is asked again, the commit whose answer got lost is known for what it was: made."""
    async with cutting(three.address(0)) as way:
        through = await open_store(f"etcd://{way.address}")
        before = await store.commit(Transaction(writes={"key": b"old"})) or 0
        await through.revision()

        async def others() -> None:
            for number in range(7):
                await store.commit(Transaction(writes={"key": str(number).encode()}))

        way.lose_next(others)
        revision = await through.commit(Transaction(unchanged={"key": before}, writes={"key": None}))
        assert revision == before + 1
        await through.close()


async def test_lost_refusal(three: Etcd, store: Store) -> None:
    """A commit that was refused, and whose answer got lost, is refused."""
    async with cutting(three.address(0)) as way:
        through = await open_store(f"etcd://{way.address}")
        await store.commit(Transaction(writes={"key": b"old"}))
        await through.revision()
        way.lose_next()
        assert await through.commit(Transaction(unchanged={"key": 0}, writes={"key": b"new"})) is None
        assert [item.value for item in (await store.read("key"))[1]] == [b"old"]
        await through.close()


async def test_lost_answer_of_what_cannot_be_sent_twice(three: Etcd, store: Store) -> None:
    """A commit that would be made twice if it were sent twice is sent once; that its answer got lost is said."""
    async with cutting(three.address(0)) as way:
        through = await open_store(f"etcd://{way.address}")
        before = (await through.read())[0]
        way.lose_next()
        with pytest.raises(StoreError, match=three.address(0).partition(":")[0]):
            await through.commit(Transaction(writes={"key": b""}))
        last = await store.commit(Transaction(writes={"end": b""}))
        assert last
        told = [change.key for batch in await take_until(store, before, last) for change in batch.changes]
        assert told == ["key", "end"]
        await through.close()


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any etcd all is refused in words."""
    monkeypatch.setattr(etcdclient, "PATIENCE", 0.2)
    store = await open_store("etcd://127.0.0.1:1")
    for attempt in (store.revision(), store.commit(Transaction(writes={"key": b""})), take(store, 0, 1)):
        with pytest.raises(StoreError, match=r"^etcd://127.0.0.1:1: 127.0.0.1:1: .*; is etcd up\?$"):
            await attempt
    await store.close()
