# SPDX-License-Identifier: Apache-2.0
"""Taking some batches from a store's endless stream of them, and waiting for other things that come."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from vxnet.store.base import Batch, Store

PATIENCE = 20.0
"""Seconds to wait for what must come."""


async def take(store: Store, after: int, count: int) -> list[Batch]:
    """Return the next ``count`` batches after that revision."""
    taken: list[Batch] = []
    async with asyncio.timeout(PATIENCE), aclosing(cast("AsyncGenerator[Batch]", store.follow(after))) as batches:
        async for batch in batches:
            taken.append(batch)
            if len(taken) == count:
                break
    return taken


async def take_until(store: Store, after: int, revision: int) -> list[Batch]:
    """Return the batches after one revision until another, which is a transaction's."""
    taken: list[Batch] = []
    async with asyncio.timeout(PATIENCE), aclosing(cast("AsyncGenerator[Batch]", store.follow(after))) as batches:
        async for batch in batches:
            taken.append(batch)
            if batch.revision >= revision:
                break
    return taken


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)
