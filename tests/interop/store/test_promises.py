# SPDX-License-Identifier: Apache-2.0
"""What every store promises: transactions that are made whole or not at all, and a stream of them in order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.following import take, take_until
from tests.support.stores import values
from vxnet.store import etcd as etcd_store
from vxnet.store.base import Change, CompactedError, Transaction

if TYPE_CHECKING:
    from vxnet.store.base import Batch, Store

pytestmark = pytest.mark.anyio


async def put(store: Store, **writes: bytes | None) -> int:
    """Write these keys without a condition; return the revision."""
    revision = await store.commit(Transaction(writes=dict(writes)))
    assert revision is not None
    return revision


async def test_reads_what_was_written(store: Store) -> None:
    """Keys come in order, each with the revision of its own last transaction, under the revision of all."""
    first = await put(store, b=b"1", a=b"\x00\xff")
    second = await put(store, c=b"")
    assert first < second
    revision, items = await store.read()
    assert revision == second == await store.revision()
    assert [tuple(item) for item in items] == [("a", b"\x00\xff", first), ("b", b"1", first), ("c", b"", second)]


async def test_reads_by_prefix(store: Store) -> None:
    """A prefix is no path: what begins with it is read, its neighbours in order are not."""
    await store.commit(Transaction(writes=dict.fromkeys(("a", "a/", "a/1", "a/\U0010ffff", "a0", "b"), b"")))
    assert set(await values(store, "a/")) == {"a/", "a/1", "a/\U0010ffff"}
    assert set(await values(store, "a/1")) == {"a/1"}
    assert await values(store, "z") == {}


@pytest.mark.parametrize(
    ("unchanged", "empty", "holds"),
    [
        ({"there": 0}, (), False),
        ({"not": 0}, (), True),
        ({"there": 1_000_000_000}, (), False),
        ({"not": 1}, (), False),
        ({}, ("the",), False),
        ({}, ("there",), False),
        ({}, ("therf", "there/", "thera"), True),
        ({"not": 0}, ("the",), False),
        ({}, ("",), False),
    ],
)
async def test_conditions(store: Store, unchanged: dict[str, int], empty: tuple[str, ...], holds: bool) -> None:  # noqa: FBT001  (a parameter)
    """A transaction is made if every key it names is as it says and every prefix has no keys, and else not at all."""
    before = await put(store, there=b"old")
    writes: dict[str, bytes | None] = {"there": b"new", "more": b"new"}
    revision = await store.commit(Transaction(unchanged=unchanged, empty=frozenset(empty), writes=writes))
    assert (revision is not None) == holds
    assert await values(store) == (writes if holds else {"there": b"old"})
    assert await store.revision() == (revision if revision is not None else before)


async def test_condition_on_the_revision(store: Store) -> None:
    """A key is unchanged at the revision of its last transaction, also if that wrote the same value."""
    first = await put(store, key=b"same")
    second = await put(store, key=b"same")
    assert await store.commit(Transaction(unchanged={"key": first}, writes={"key": b"x"})) is None
    assert await store.commit(Transaction(unchanged={"key": second}, writes={"key": None})) is not None
    assert await store.commit(Transaction(unchanged={"key": second}, writes={"key": b"x"})) is None
    assert await store.commit(Transaction(unchanged={"key": 0}, writes={"key": b"x"})) is not None


async def test_emptied_store_is_empty(store: Store) -> None:
    """That there are no keys at all can be asked for."""
    await put(store, key=b"")
    everything = Transaction(empty=frozenset(("",)), writes={"first": b""})
    assert await store.commit(everything) is None
    await put(store, key=None)
    assert await store.commit(everything) is not None


async def test_deleting_nothing_is_fine(store: Store) -> None:
    """A key that is not there can be deleted; nobody is told of it."""
    before = (await store.read())[0]
    assert await store.commit(Transaction(writes={"nothing": None})) is not None
    last = await put(store, something=b"1", nothing=None)
    changes = [change for batch in await take_until(store, before, last) for change in batch.changes]
    assert changes == [Change("something", b"1")]


async def test_conditions_alone(store: Store) -> None:
    """A transaction that writes nothing tells whether its conditions hold, and changes no revision."""
    revision = await put(store, key=b"")
    assert await store.commit(Transaction(unchanged={"key": revision}, writes={})) == revision
    assert await store.commit(Transaction(unchanged={"key": 0}, writes={})) is None
    assert await store.revision() == revision


async def test_most_writes(store: Store) -> None:
    """As many keys as a store takes at once can be written and asked for; one more is a mistake of the caller."""
    most = store.most_writes
    keys = [f"k{number}" for number in range(most + 1)]
    whole = Transaction(unchanged=dict.fromkeys(keys[:most], 0), writes=dict.fromkeys(keys[:most], b""))
    assert await store.commit(whole) is not None
    assert len(await values(store)) == most
    with pytest.raises(ValueError, match="keys"):
        await store.commit(Transaction(writes=dict.fromkeys(keys, b"")))
    with pytest.raises(ValueError, match="keys"):
        await store.commit(Transaction(unchanged=dict.fromkeys(keys[:most], 1), empty=frozenset("x"), writes={}))


async def test_many_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than are read at a time come all, in order, each once."""
    monkeypatch.setattr(etcd_store, "PAGE", 1000)
    keys = [f"{number:06}" for number in range(2500)]
    for first in range(0, len(keys), 100):
        await store.commit(Transaction(writes=dict.fromkeys(keys[first : first + 100], b"x")))
    assert list(await values(store)) == keys


async def test_follows_whole_batches_in_order(store: Store) -> None:
    """Each transaction after the revision comes once, whole, in order, with its revision."""
    before = await put(store, early=b"")
    revisions = [await put(store, a=b"1", b=b"2", c=b"3"), await put(store, a=None, d=b"4"), await put(store, a=b"5")]
    batches = await take(store, before, 3)
    assert [batch.revision for batch in batches] == revisions
    assert [dict(batch.changes) for batch in batches] == [
        {"a": b"1", "b": b"2", "c": b"3"},
        {"a": None, "d": b"4"},
        {"a": b"5"},
    ]


async def test_follows_large_batches_whole(store: Store) -> None:
    """A transaction of as much as fits into one comes as one batch, and so do many that came before."""
    before = (await store.read())[0]
    most, value = min(store.most_writes, 1000), bytes(8000)
    for number in range(30):
        await store.commit(Transaction(writes={f"{number}/{key}": value for key in range(most // 10)}))
    await store.commit(Transaction(writes={f"k{key}": value for key in range(most)}))
    batches = await take(store, before, 31)
    assert [len(batch.changes) for batch in batches] == [most // 10] * 30 + [most]


async def test_resumes(store: Store) -> None:
    """Whoever follows from the last revision it had misses nothing and gets nothing twice."""
    before = (await store.read())[0]
    revisions = [await put(store, key=str(number).encode()) for number in range(10)]
    first = await take(store, before, 4)
    rest = await take(store, first[-1].revision, 6)
    assert [batch.revision for batch in first + rest] == revisions


async def test_waits_for_more(store: Store, other: Store) -> None:
    """Who follows gets what is committed later, here or by another server."""
    before = (await store.read())[0]
    following = asyncio.create_task(take(store, before, 2))
    await asyncio.sleep(0)
    here = await put(store, key=b"here")
    there = await put(other, key=b"there")
    batches = await following
    assert [(batch.revision, batch.changes) for batch in batches] == [
        (here, (Change("key", b"here"),)),
        (there, (Change("key", b"there"),)),
    ]


async def test_compaction(store: Store) -> None:
    """After a compaction what stands still stands, later changes can be followed, and earlier ones are refused."""
    await put(store, standing=b"")
    revisions = [await put(store, key=str(number).encode()) for number in range(5)]
    await store.compact(revisions[3])
    assert await values(store) == {"standing": b"", "key": b"4"}
    assert [batch.revision for batch in await take(store, revisions[2], 2)] == revisions[3:]
    with pytest.raises(CompactedError):
        await take(store, revisions[1], 1)
    await store.compact(revisions[2])
    await store.compact(revisions[4] + 1000)
    with pytest.raises(CompactedError):
        await take(store, revisions[3], 1)
    following = asyncio.create_task(take(store, revisions[4], 1))
    late = await put(store, key=b"late")
    assert [batch.revision for batch in await following] == [late]


async def test_compaction_loses_no_deletion(store: Store) -> None:
    """A transaction that deletes, at which the history was cut, is told whole, or said to be lost."""
    for number in range(5):
        before = await put(store, key=b"", more=b"")
        deleted = await put(store, key=None)
        last = await put(store, key=b"again", more=None)
        await store.compact(deleted + 1)
        await asyncio.sleep(0.01)  # etcd forgets a while after its answer; earlier, this proves less
        with suppress(CompactedError):
            batches = await take_until(store, before, last)
            assert [dict(batch.changes) for batch in batches] == [{"key": None}, {"key": b"again", "more": None}], (
                number
            )
        with pytest.raises(CompactedError):
            await take_until(store, before - 1, last)


async def test_revisions_of_another_store(store: Store) -> None:
    """A revision that the store has not reached, as after an older copy was put in its place, is not waited for."""
    with pytest.raises(CompactedError):
        await take(store, (await store.read())[0] + 1000, 1)


async def test_two_servers_race(store: Store, other: Store) -> None:
    """Of two servers that claim the same things at once, exactly one gets each, and what it wrote stands."""

    async def claim(server: Store, name: bytes, number: int) -> bool:
        writes: dict[str, bytes | None] = {f"claim/{number}": name, f"record/{name.decode()}/{number}": b""}
        return await server.commit(Transaction(unchanged={f"claim/{number}": 0}, writes=writes)) is not None

    count = 200
    won = await asyncio.gather(
        *(claim(server, name, number) for number in range(count) for server, name in ((store, b"a"), (other, b"b")))
    )
    assert all(first != second for first, second in zip(won[::2], won[1::2], strict=True))
    stands = await values(store)
    assert len(stands) == 2 * count
    for number in range(count):
        owner = b"a" if won[2 * number] else b"b"
        assert stands[f"claim/{number}"] == owner
        assert f"record/{owner.decode()}/{number}" in stands


async def test_two_servers_count(store: Store, other: Store) -> None:
    """Servers that read, add one and write if it is unchanged lose no count."""

    async def count(server: Store, times: int) -> None:
        while times:
            items = (await server.read("count"))[1]
            value, revision = (int(items[0].value), items[0].revision) if items else (0, 0)
            new = str(value + 1).encode()
            if await server.commit(Transaction(unchanged={"count": revision}, writes={"count": new})) is not None:
                times -= 1

    await asyncio.gather(count(store, 40), count(other, 40), count(store, 20))
    assert await values(store) == {"count": b"100"}


async def test_reads_are_of_one_moment(store: Store, other: Store) -> None:
    """What is read while others write is what stood at one revision: all of each transaction, or nothing of it."""

    async def write() -> None:
        for number in range(100):
            value = str(number).encode()
            await put(other, a=value, m=value, z=value)

    before = (await store.read())[0]
    writing = asyncio.create_task(write())
    seen: list[tuple[int, dict[str, bytes]]] = []
    while not writing.done():
        revision, items = await store.read()
        seen.append((revision, {item.key: item.value for item in items}))
    await writing
    stands: dict[int, dict[str, bytes]] = {before: {}}
    for batch in await take_until(store, before, await store.revision()):
        stands[batch.revision] = {change.key: change.value for change in batch.changes if change.value is not None}
    assert all(stands[revision] == found for revision, found in seen)


async def test_revision_knows_what_was_answered(store: Store, other: Store) -> None:
    """Whatever another server was answered is at the revision that is asked for afterwards, or before it."""
    for number in range(50):
        revision = await put(other, key=str(number).encode())
        assert await store.revision() >= revision


async def test_many_follow(store: Store, other: Store) -> None:
    """Each of several that follow gets all of what several write at once, in the same order."""
    before = (await store.read())[0]
    count = 60
    followers = [asyncio.create_task(take(server, before, count)) for server in (store, other, store)]
    await asyncio.gather(*(put((store, other)[number % 2], **{f"k{number}": b""}) for number in range(count)))
    all_batches: list[list[Batch]] = await asyncio.gather(*followers)
    assert all_batches[0] == all_batches[1] == all_batches[2]
    assert [batch.revision for batch in all_batches[0]] == sorted({batch.revision for batch in all_batches[0]})
    assert {change.key for batch in all_batches[0] for change in batch.changes} == {f"k{n}" for n in range(count)}


async def test_cancelled_commits(store: Store) -> None:
    """Who is cancelled while it waits harms nobody else, and its transaction is made whole or not at all."""
    tasks = [asyncio.create_task(put(store, **{f"a{number}": b"", f"b{number}": b""})) for number in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, int) for result in results[1::2])
    stands = await values(store)
    for number in range(40):
        assert (f"a{number}" in stands) == (f"b{number}" in stands)
        assert number % 2 == 0 or f"a{number}" in stands
