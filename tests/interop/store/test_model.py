# SPDX-License-Identifier: Apache-2.0
"""Both stores do what a dict does: whatever is committed, in whatever order, what stands and what is told agree."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.following import take_until
from vxnet.store.base import Transaction
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from vxnet.store.base import Store

# Few keys, so that transactions meet; the odd ones sort around the ends of prefixes.
KEYS = st.sampled_from(["a", "a/", "a/b", "a/\x00", "a/\U0010ffff", "a0", "b", "ä", "\x7f"]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=2
)


class Asked(NamedTuple):
    """A transaction; ``unchanged`` says by how many transactions the key's is too old: 0 is what holds."""

    unchanged: dict[str, int]
    empty: frozenset[str]
    writes: dict[str, bytes | None]


ASKED = st.builds(
    Asked,
    st.dictionaries(KEYS, st.sampled_from([0, 0, 0, 1]), max_size=2),
    st.frozensets(KEYS, max_size=1),
    st.dictionaries(KEYS, st.none() | st.binary(max_size=3), max_size=4),
)


# function_scoped_fixture: each example has keys of its own, behind a prefix, in the one store.
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(ASKED, min_size=1, max_size=12))
def test_like_a_dict(url: str, asked: list[Asked]) -> None:
    """The revision of each key, every answer, what stands, and what those who follow put together: all as in a dict."""
    asyncio.run(compare(url, asked))


async def compare(url: str, asked: list[Asked]) -> None:
    """Do it to the store and to a dict."""
    store = await open_store(url)
    try:
        await compare_with(store, asked, f"{uuid4().hex}/")
    finally:
        await store.close()


async def compare_with(store: Store, asked: list[Asked], home: str) -> None:
    """Do it to the store behind ``home`` and to a dict."""
    model: dict[str, tuple[bytes, int]] = {}
    before = last = await store.commit(Transaction(writes={f"{home}begin": b""})) or 0
    await store.commit(Transaction(writes={f"{home}begin": None}))
    for each in asked:
        unchanged = {key: model[key][1] - old if key in model else old for key, old in each.unchanged.items()}
        holds = not any(key.startswith(prefix) for key in model for prefix in each.empty) and all(
            (model[key][1] if key in model else 0) == revision for key, revision in unchanged.items()
        )
        revision = await store.commit(
            Transaction(
                unchanged={home + key: revision for key, revision in unchanged.items()},
                empty=frozenset(home + prefix for prefix in each.empty),
                writes={home + key: value for key, value in each.writes.items()},
            )
        )
        assert (revision is not None) == holds
        if revision is None:
            continue
        assert revision >= last
        last = revision
        for key, value in each.writes.items():
            model.pop(key, None)
            if value is not None:
                model[key] = value, revision
    found = {item.key: (item.value, item.revision) for item in (await store.read(home))[1]}
    assert found == {home + key: stands for key, stands in model.items()}
    assert list(found) == sorted(found)
    end = await store.commit(Transaction(writes={f"{home}end": b""}))
    assert end
    told: dict[str, tuple[bytes, int]] = {}
    for batch in await take_until(store, before, end):
        for key, value in batch.changes:
            told.pop(key, None)
            if value is not None:
                told[key] = value, batch.revision
    assert told.pop(f"{home}end") == (b"", end)
    assert told == found
