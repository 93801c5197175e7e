# SPDX-License-Identifier: Apache-2.0
"""A process that is killed while it writes leaves each of its transactions whole, or nothing of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.following import take_until
from vxnet.store.base import Transaction

if TYPE_CHECKING:
    from vxnet.store.base import Store

pytestmark = pytest.mark.anyio

WRITER = """
import asyncio, sys
from vxnet.store.base import Transaction
from vxnet.store.open import open_store

async def write(store, name):
    number = 0
    while True:
        writes = {f"{name}/{number}/{part}": bytes(2000) for part in range(20)}
        assert await store.commit(Transaction(unchanged={f"{name}/{number}/0": 0}, writes=writes))
        print(f"{name}/{number}", flush=True)
        number += 1

async def main():
    store = await open_store(sys.argv[1])
    await asyncio.gather(*(write(store, name) for name in sys.argv[2:]))

asyncio.run(main())
"""


@pytest.mark.parametrize("round_number", range(4))
async def test_all_or_nothing(store: Store, round_number: int) -> None:
    """All that was answered is there; what was not is whole or absent; the store works on, also for those it told."""
    before = (await store.read())[0]
    answered = write_and_kill(store.url, lines=5 + 7 * round_number)
    stands = [item.key for item in (await store.read())[1]]
    whole = {key.rpartition("/")[0] for key in stands}
    assert answered <= whole
    assert len(stands) == 20 * len(whole)
    last = await store.commit(Transaction(writes={"after": b""}))
    assert last is not None
    told = [change.key for batch in await take_until(store, before, last) for change in batch.changes]
    assert sorted(told) == sorted([*stands, "after"])


def write_and_kill(url: str, lines: int) -> set[str]:
    """Let a process write until it has told of so many transactions, and kill it; return those it told of."""
    words = (sys.executable, "-c", WRITER, url, "a", "b", "c")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        answered = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        answered += [line for line in writer.stdout if line.endswith("\n")]
    return {line.strip() for line in answered}
