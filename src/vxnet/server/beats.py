# SPDX-License-Identifier: Apache-2.0
"""Agents' signs of life, on their way to the store: those of a few seconds in one transaction.

One that nobody has heard of lately is written at once: its ports wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from vxnet.cluster.liveness import INTERVAL
from vxnet.cluster.records import Heartbeat
from vxnet.cluster.times import now
from vxnet.cluster.writing import Decision, transaction
from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Cluster

log = logging.getLogger("vxnet-server")


class Beats:
    """What this server has heard since it wrote last."""

    def __init__(self, cluster: Cluster, liveness: Liveness) -> None:
        self._cluster = cluster
        self._liveness = liveness
        self._heard: set[str] = set()
        self._urgent = asyncio.Event()

    def hear(self, host: str) -> None:
        """Note a sign of life of a host's agent."""
        self._heard.add(host)
        if not self._liveness.alive(host):
            self._urgent.set()
        self._liveness.hear(host)

    async def run(self) -> None:
        """Write until cancelled. What cannot be written now is written as soon as the store is back.

        Other servers know of these agents by that alone: when it waited for the next interval as well, and this server
        then hung, they would take the agents for dead before these have come to them.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._urgent.wait()
            self._urgent.clear()
            most = self._cluster.store.most_writes // 2
            hosts = sorted(self._heard)[:most]
            if not hosts:
                continue
            self._heard -= set(hosts)
            if self._heard:
                self._urgent.set()
            try:
                await self._cluster.write(partial(_beat, hosts))
            except StoreError as error:
                self._heard |= set(hosts)
                log.warning("heartbeats are not written: %s", error)
                await asyncio.sleep(1)
                self._urgent.set()


def _beat(hosts: list[str], replica: Replica) -> Decision[None]:
    beats = []
    for host in hosts:
        old = replica.heartbeats.get(host)
        beats.append(Heartbeat(host, now(), old.count + 1 if old else 1))
    return Decision(transaction(replica, put=beats), None)
