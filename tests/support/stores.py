# SPDX-License-Identifier: Apache-2.0
"""The store of a cluster: what stands in it, and what is written to it by somebody whose power fails meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.store.base import Store, Transaction


async def values(store: Store, prefix: str = "") -> dict[str, bytes]:
    """Return what stands."""
    return {item.key: item.value for item in (await store.read(prefix))[1]}


@contextmanager
def power_cut(store: Store, after: int, most_writes: int) -> Iterator[None]:
    """Let the ``with`` block, which has to commit more, end after so many transactions of so many writes at most."""
    store.most_writes, commit, left = most_writes, store.commit, after

    async def cut_off(transaction: Transaction) -> int | None:
        nonlocal left
        if not left:
            raise InterruptedError
        left -= 1
        return await commit(transaction)

    store.commit = cut_off  # type: ignore[method-assign]
    with pytest.raises(InterruptedError):
        yield
    store.commit = commit  # type: ignore[method-assign]
