# SPDX-License-Identifier: Apache-2.0
"""vxnet.cluster.writing over real stores: who was answered finds it everywhere; of two that race one decides anew."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from vxnet.cluster.keys import claims_of, key_of, macs_of, value_of
from vxnet.cluster.migrate import prepare
from vxnet.cluster.records import Network
from vxnet.cluster.writing import Cluster, Decision, transaction
from vxnet.store.base import StoreError, Transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vxnet.cluster.replica import Edit, Replica
    from vxnet.store.base import Store

pytestmark = pytest.mark.anyio

FIRST_VNI = 5001


@asynccontextmanager
async def server(store: Store) -> AsyncIterator[Cluster]:
    """Open the cluster and follow the store, as a server does."""
    await prepare(store)
    cluster = await Cluster.open(store)
    running = asyncio.create_task(cluster.run())
    yield cluster
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def network(name: str, vni: int) -> Network:
    """Return a network that is called and identified by ``name``."""
    return Network(id=name, name=name, project_id="p", created_at="", updated_at="", vni=vni, mtu=1450)


async def create(cluster: Cluster, name: str) -> Network:
    """Make a network with the lowest VNI that is free."""

    def decide(replica: Replica) -> Decision[Network]:
        vni = replica.vnis.lowest(FIRST_VNI, 16_777_215)
        assert vni is not None
        new = network(name, vni)
        return Decision(transaction(replica, put=[new]), new)

    return await cluster.write(decide)


async def test_who_was_answered_finds_it(store: Store, other: Store) -> None:
    """What one server has written, it has at once, and so has the other when it is asked."""
    async with server(store) as one, server(other) as two:
        for number in range(20):
            made = await create(one if number % 2 else two, f"n{number}")
            assert made.vni == FIRST_VNI + number
            assert (one if number % 2 else two).replica.networks.get(made.id) == made
            assert (await (two if number % 2 else one).fresh()).networks.get(made.id) == made


async def test_servers_race_for_numbers(store: Store, other: Store) -> None:
    """Two servers that give VNIs away at once give each to one network, and leave none out."""
    async with server(store) as one, server(other) as two:
        made = await asyncio.gather(*(create((one, two)[number % 2], f"n{number}") for number in range(60)))
        assert sorted(each.vni for each in made) == list(range(FIRST_VNI, FIRST_VNI + 60))
        for cluster in (one, two):
            replica = await cluster.fresh()
            assert {each.id: each.vni for each in replica.networks} == {each.id: each.vni for each in made}
        claims = {item.key: item.value for item in (await store.read("claim/"))[1]}
        assert claims == {claim: owner for each in made for claim, owner in claims_of(each)}


async def test_record_changed_by_another(store: Store, other: Store) -> None:
    """Who changes a record that was changed meanwhile decides anew, on what it is now; a deleted one stays deleted."""
    async with server(store) as one, server(other) as two:
        await create(one, "n")

        def tagged(tag: str, replica: Replica) -> Decision[bool]:
            standing = replica.networks.get("n")
            if standing is None:
                return Decision(None, result=False)
            new = msgspec.structs.replace(standing, tags=(*standing.tags, tag))
            return Decision(transaction(replica, put=[new]), result=True)

        tags = [str(number) for number in range(30)]
        await asyncio.gather(*((one, two)[int(tag) % 2].write(partial(tagged, tag)) for tag in tags))
        standing = (await two.fresh()).networks.get("n")
        assert standing is not None
        assert sorted(standing.tags) == sorted(tags)
        await two.write(lambda replica: Decision(transaction(replica, delete=[network("n", 0)]), result=None))
        assert not await one.write(partial(tagged, "late"))
        assert not (await store.read("network/"))[1]
        assert not (await store.read("claim/"))[1]


class Seen:
    """What an observer was told."""

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.revisions: list[int] = []
        self.replicas: list[Replica] = []

    def changed(self, revision: int, edits: list[Edit]) -> None:
        """One transaction did this."""
        self.revisions.append(revision)
        self.edits += edits

    def reloaded(self, replica: Replica) -> None:
        """All was read anew."""
        self.replicas.append(replica)


async def test_observers_are_told_of_all(store: Store, other: Store) -> None:
    """Whoever observes one server is told of every change of both, once and in order."""
    async with server(store) as one, server(other) as two:
        seen = Seen()
        one.observe(seen)
        made = await asyncio.gather(*(create((one, two)[number % 2], f"n{number}") for number in range(20)))
        await one.fresh()
        assert {edit.new for edit in seen.edits} == set(made)
        assert all(edit.old is None for edit in seen.edits)
        assert seen.revisions == sorted(set(seen.revisions))
        assert seen.replicas == []


async def test_reads_anew_what_is_not_kept(store: Store, other: Store) -> None:
    """A server that was behind what the store keeps reads all of it anew, tells so, and goes on."""
    await prepare(store)
    behind = await Cluster.open(store)
    seen = Seen()
    behind.observe(seen)
    async with server(other) as two:
        made = [await create(two, f"n{number}") for number in range(5)]
        await store.compact(await store.revision())
        running = asyncio.create_task(behind.run())
        assert set((await behind.fresh()).networks) == set(made)
        assert len(seen.replicas) == 1
        assert behind.replica is seen.replicas[0]
        late = await create(two, "late")
        assert (await behind.fresh()).networks.get("late") == late
        assert [edit.new for edit in seen.edits][-1] == late
        running.cancel()


async def test_nothing_is_half_made(store: Store) -> None:
    """A record whose claim is somebody else's already is not written, nor are its other claims."""
    async with server(store) as cluster:
        await create(cluster, "n")
        revision = await store.revision()
        second = network("second", FIRST_VNI)
        blind = Transaction(
            unchanged={key_of(second): 0, **{claim: 0 for claim, _ in claims_of(second)}},
            writes={key_of(second): value_of(second), f"{macs_of('second')}x": b""},
        )
        assert await store.commit(blind) is None
        assert await store.revision() == revision
        assert len((await cluster.fresh()).networks) == 1


async def test_gives_up_in_words(store: Store, other: Store) -> None:
    """Who finds a change by somebody else each time it tries says so at last, and has written nothing."""
    async with server(store) as one:
        await create(one, "n")
        number = 0

        async def disturb() -> None:
            nonlocal number
            number += 1
            await other.commit(Transaction(writes={"network/n": value_of(network(f"n{number}", FIRST_VNI))}))

        commit = store.commit

        async def late(transaction: Transaction) -> int | None:
            await disturb()
            return await commit(transaction)

        store.commit = late  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="other servers were faster 64 times; try again"):
            await one.write(lambda replica: Decision(transaction(replica, put=[network("n", FIRST_VNI)]), result=None))
        store.commit = commit  # type: ignore[method-assign]
        assert number == 64
