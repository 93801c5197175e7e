# SPDX-License-Identifier: Apache-2.0
"""vxnet.cluster.migrate: a store is begun once, brought to the schema step by step, and refused if it is not ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.stores import power_cut, values
from vxnet.cluster.keys import META_INCARNATION, META_RESTORING, META_SCHEMA, SCHEMA
from vxnet.cluster.migrate import SchemaError, prepare
from vxnet.store.base import Item, Transaction
from vxnet.store.open import open_store

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
def url(tmp_path: Path) -> str:
    """Return the URL of an empty store."""
    return f"sqlite://{tmp_path}/cluster.db"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """Return the empty store, open."""
    opened = await open_store(url)
    yield opened
    await opened.close()


async def test_begins_a_store(store: Store) -> None:
    """An empty store gets the schema and an incarnation, and keeps both when it is prepared again."""
    await prepare(store)
    first = await values(store)
    assert first.keys() == {META_SCHEMA, META_INCARNATION}
    assert first[META_SCHEMA] == b"%d" % SCHEMA
    assert len(first[META_INCARNATION]) == 32
    await prepare(store)
    assert await values(store) == first
    assert await store.revision() == 1


async def test_servers_begin_it_together(url: str) -> None:
    """Of servers that start together on an empty store one begins it; all use it."""
    stores = await asyncio.gather(*(open_store(url) for _ in range(5)))
    await asyncio.gather(*(prepare(store) for store in stores))
    assert await stores[0].revision() == 1
    for store in stores:
        await store.close()


def by_name(items: list[Item]) -> dict[str, bytes | None]:
    """From schema 1 to a made-up schema 2: things stand at thing/NAME, in place of old/NAME."""
    moved: dict[str, bytes | None] = {}
    for item in items:
        if item.key.startswith("old/"):
            moved[item.key.replace("old/", "thing/")] = item.value
            moved[item.key] = None
    return moved


def louder(items: list[Item]) -> dict[str, bytes | None]:
    """From schema 2 to a made-up schema 3: things are written in capitals."""
    return {item.key: item.value.upper() for item in items if item.key.startswith("thing/")}


STEPS = {1: by_name, 2: louder}


async def old_store(store: Store, count: int) -> dict[str, bytes]:
    """Make it one of schema 1 with so many things; return what has to become of it."""
    await prepare(store, schema=1)
    things = {f"{number:04}": f"thing {number}" for number in range(count)}
    await store.commit(Transaction(writes={f"old/{name}": thing.encode() for name, thing in things.items()}))
    kept = {META_SCHEMA: b"3", META_INCARNATION: (await values(store))[META_INCARNATION]}
    return kept | {f"thing/{name}": thing.upper().encode() for name, thing in things.items()}


async def test_steps(store: Store) -> None:
    """An older store is brought to the schema by one step after the other, and keeps its incarnation."""
    expected = await old_store(store, 10)
    await prepare(store, schema=3, steps=STEPS)
    assert await values(store) == expected


async def test_steps_that_race(store: Store, url: str) -> None:
    """Servers that start together bring an older store to the schema once."""
    expected = await old_store(store, 50)
    stores = [store, *await asyncio.gather(*(open_store(url) for _ in range(3)))]
    await asyncio.gather(*(prepare(each, schema=3, steps=STEPS) for each in stores))
    assert await values(store) == expected
    for other in stores[1:]:
        await other.close()


@pytest.mark.parametrize("cut", range(5))
async def test_steps_in_parts(store: Store, cut: int) -> None:
    """A step that is too much for one transaction is done in parts, and goes on where a power cut ended it."""
    expected = await old_store(store, 12)
    with power_cut(store, after=cut, most_writes=7):
        await prepare(store, schema=3, steps=STEPS)
    assert (await values(store))[META_SCHEMA] == (b"1" if cut < 4 else b"2")
    await prepare(store, schema=3, steps=STEPS)
    assert await values(store) == expected


@pytest.mark.parametrize(
    ("writes", "words"),
    [
        ({META_SCHEMA: b"9"}, r"of a newer vxnet \(schema 9, not 1\); install that one"),
        ({META_SCHEMA: b"0"}, "schema 0 is too old for this vxnet"),
        ({META_SCHEMA: b"one"}, "meta/schema is b'one'; restore a backup"),
        ({"network/x": b"{}"}, "holds keys, but no cluster; give vxnet an empty one, or vxnet cluster restore --force"),
        ({META_RESTORING: b""}, "half restored; once more: vxnet cluster restore --force"),
    ],
)
async def test_refuses(store: Store, writes: dict[str, bytes | None], words: str) -> None:
    """A store that is not ours, not whole, or of another vxnet is refused in one line, and left alone."""
    await store.commit(Transaction(writes=writes))
    with pytest.raises(SchemaError, match=words) as caught:
        await prepare(store)
    assert str(caught.value).startswith(store.url)
    assert await values(store) == writes
