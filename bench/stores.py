# SPDX-License-Identifier: Apache-2.0
"""How much the stores take: `python -m bench.stores [FOLDER]`, whose disk the stores are on. Prints a table."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vxnet.lab.etcd import Etcd
from vxnet.store.base import Transaction
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from vxnet.store.base import Batch, Store

COUNT = 512
TOGETHER = 32


async def each(count: int, together: int, call: Callable[[int], Awaitable[object]]) -> float:
    """Make ``count`` calls, ``together`` at a time. Return how many a second that was."""

    async def some(first: int) -> None:
        for number in range(first, count, together):
            await call(number)

    start = time.perf_counter()
    await asyncio.gather(*(some(first) for first in range(together)))
    return count / (time.perf_counter() - start)


async def measure(url: str) -> list[str]:
    """Return the cells of a row."""

    def port(store: Store, kind: str) -> Callable[[int], Awaitable[object]]:
        """Write a record and two claims, as the creation of a port does."""

        async def create(number: int) -> None:
            keys = [f"{part}/{kind}{number:06}" for part in ("port", "claim/mac", "claim/address")]
            writes: dict[str, bytes | None] = {keys[0]: bytes(400), keys[1]: bytes(36), keys[2]: bytes(36)}
            if await store.commit(Transaction(unchanged=dict.fromkeys(keys, 0), writes=writes)) is None:
                raise AssertionError(f"{keys[0]} is there already")

        return create

    async def revision(store: Store) -> float:
        return await each(COUNT, 1, lambda _: store.revision())

    async def delay(store: Store) -> float:
        """Return the milliseconds from a commit's beginning until it is followed."""
        start, _ = await store.read()
        async with contextlib.aclosing(cast("AsyncGenerator[Batch]", store.follow(start))) as following:
            begin = time.perf_counter()
            for number in range(COUNT // 4):
                await store.commit(Transaction(writes={"heartbeat/h": b"%d" % number}))
                await anext(following)
            return (time.perf_counter() - begin) / (COUNT // 4) * 1000

    store = await open_store(url)
    try:
        one = await each(COUNT, 1, port(store, "a"))
        many = await each(COUNT, TOGETHER, port(store, "b"))
        cells = [f"{one:.0f}", f"{many:.0f}", f"{await revision(store):.0f}", f"{await delay(store):.1f}"]
        for number in range(100):
            keys = [f"port/c{number:03}{key:03}" for key in range(100)]
            await store.commit(Transaction(writes=dict.fromkeys(keys, bytes(400))))
        begin = time.perf_counter()
        _, items = await store.read()
        return [*cells, f"{len(items) / (time.perf_counter() - begin) / 1000:.0f}"]
    finally:
        await store.close()


def main() -> None:
    """Measure each kind of store."""
    parent = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print("| store | commits/s, one by one | 32 at once | revision/s | commit until followed, ms | 1000 keys read/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        print("| SQLite |", " | ".join(asyncio.run(measure(f"sqlite://{folder}/cluster.db"))), "|")
        for members in (1, 3):
            with Etcd(Path(folder) / f"etcd-{members}", members) as etcd:
                print(f"| etcd, {members} |", " | ".join(asyncio.run(measure(etcd.url))), "|")


if __name__ == "__main__":
    main()
