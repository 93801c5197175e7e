# SPDX-License-Identifier: Apache-2.0
"""Letting the store forget what nobody needs any more: changes that are older than some minutes.

Who was away for longer reads everything anew. Without it, etcd keeps every value that ever was.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from vxnet.cluster.writing import Cluster

log = logging.getLogger("vxnet-server")

INTERVAL: Final = 60.0
"""Seconds between two looks at the revision."""

KEPT: Final = 10
"""How many intervals a change is kept for."""


async def run(cluster: Cluster, interval: float = INTERVAL) -> None:
    """Compact until cancelled. While the store is away there is nothing to compact; it is tried the next time."""
    seen: deque[int] = deque([cluster.replica.revision], maxlen=KEPT)
    while True:
        await asyncio.sleep(interval)
        oldest = seen[0]
        seen.append(cluster.replica.revision)
        if len(seen) == KEPT and oldest > 0:
            try:
                await cluster.store.compact(oldest)
            except StoreError as error:
                log.warning("old changes are not forgotten yet: %s", error)
