# SPDX-License-Identifier: Apache-2.0
"""Old changes are forgotten, young ones are not."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.following import PATIENCE, take
from vxnet.cluster.opened import opened
from vxnet.cluster.records import Token
from vxnet.cluster.writing import Decision, transaction
from vxnet.server import compaction
from vxnet.store.base import CompactedError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Cluster

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests by asyncio."""
    return "asyncio"


async def change(cluster: Cluster, digest: str) -> None:
    """Change something."""

    def decide(replica: Replica) -> Decision[None]:
        return Decision(transaction(replica, put=[Token(digest=digest, name="t")]), None)

    await cluster.write(decide)


async def is_kept(cluster: Cluster, revision: int) -> bool:
    """Tell whether the change after that revision can be followed still."""
    with suppress(CompactedError):
        return len(await take(cluster.store, revision, 1)) == 1
    return False


async def test_changes_are_kept_for_some_intervals(tmp_path: Path) -> None:
    """What changed before the intervals that count can be followed no more; what changed since can."""
    async with opened(f"sqlite://{tmp_path}/cluster.db", create=True) as cluster:
        for digest in ("older", "old"):
            await change(cluster, digest)
        old = cluster.replica.revision
        running = asyncio.create_task(compaction.run(cluster, 0.001))
        try:
            async with asyncio.timeout(PATIENCE):
                while await is_kept(cluster, old - 2):  # noqa: ASYNC110  (nothing else tells when it was done)
                    await asyncio.sleep(0.001)
        finally:
            running.cancel()
        await change(cluster, "young")
        assert await is_kept(cluster, old)
