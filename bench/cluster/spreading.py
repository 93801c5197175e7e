# SPDX-License-Identifier: Apache-2.0
"""Agents by the hundred: how long a change takes to reach all it concerns, and what everybody else hears of it.

    one process: 200 agents' streams, with tokens of their own, and the client that asks
                                                                     server
    1. POST /v2.0/ports, into a network that 2, 20 or 200 hosts take part in ---->
    2. the line that names the port, at each of those hosts          <----------   reached: the last of them
    3. every other line that is no Tick, at every other host         <----------   others: there must be none

The host of the new port says that it forwards, as a real agent does; so each change is two.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.cluster import filling
from bench.cluster.stage import Stage, stage, store_of
from bench.cluster.wire import Client, Listener
from vxnet.cluster.liveness import INTERVAL
from vxnet.cluster.messages import DECODER, PortPut, Report, Tick
from vxnet.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

CONCERNED = (2, 20, 200)
PATIENCE = 30.0
_PREFIX = "10.16.0.0/16"


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that concern ``concerned`` hosts of ``hosts``, in a cloud of ``networks``.

    ``reached``: seconds from the request until the last of them was told, of each change. ``bytes_others``: what all
    other hosts were sent during all changes, besides Ticks. ``cpu_ms``: what the server computed for each.
    """

    store: str
    hosts: int
    networks: int
    concerned: int
    reached: tuple[float, ...]
    bytes_concerned: int
    bytes_others: int
    cpu_ms: float


def spreading(kind: str, hosts: int, networks: int, changes: int) -> list[Spread]:
    """Measure so many changes for each number of hosts concerned. LabError if a change does not arrive."""
    names = [f"host{number}" for number in range(hosts)]
    with (
        tempfile.TemporaryDirectory(prefix="bench-cluster-") as folder,
        store_of(kind, Path(folder)) as store,
        stage(store, Path(folder), names) as there,
    ):
        return asyncio.run(_Agents(kind, there, networks).measured(changes))


class _Agents:
    """All agents, and what they were told."""

    def __init__(self, kind: str, there: Stage, networks: int) -> None:
        self._kind = kind
        self._there = there
        self._networks = networks
        self._listeners = {host: Listener(there.url, host, token) for host, token in there.hosts.items()}
        self._active: dict[str, list[str]] = {host: [] for host in self._listeners}
        self._bytes = dict.fromkeys(self._listeners, 0)
        self._silent = set(self._listeners)
        self._heard = asyncio.Event()
        self._mac = ""
        self._missing: set[str] = set()
        self._reached = asyncio.Event()
        self._at = 0.0

    async def measured(self, changes: int) -> list[Spread]:
        """Have every agent listen, then make the changes."""
        for host in self._listeners:
            await self._report(host)
        with Client(self._there.url, self._there.token) as client:
            prepared = await asyncio.to_thread(_networks, client, self._networks, tuple(self._listeners))
            async with asyncio.TaskGroup() as tasks:
                jobs = [tasks.create_task(self._listen(host)) for host in self._listeners]
                jobs.append(tasks.create_task(self._live()))
                async with asyncio.timeout(PATIENCE):
                    await self._heard.wait()
                found = [await self._changes(client, network, members, changes) for network, members in prepared]
                for job in jobs:
                    job.cancel()
        for listener in self._listeners.values():
            listener.close()
        return found

    async def _changes(self, client: Client, network: str, members: Sequence[str], count: int) -> Spread:
        before, computed = dict(self._bytes), self._there.cpu()
        reached = [await self._change(client, network, members, number) for number in range(count)]
        grown = {host: size - before[host] for host, size in self._bytes.items()}
        return Spread(
            store=self._kind,
            hosts=len(self._listeners),
            networks=self._networks,
            concerned=len(members),
            reached=tuple(reached),
            bytes_concerned=sum(grown[host] for host in members),
            bytes_others=sum(size for host, size in grown.items() if host not in members),
            cpu_ms=(self._there.cpu() - computed) / count * 1000,
        )

    async def _change(self, client: Client, network: str, members: Sequence[str], number: int) -> float:
        """Create a port; return how long it took until the last host that it concerns was told."""
        host = members[number % len(members)]
        self._mac = f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"
        self._missing, self._reached = set(members), asyncio.Event()
        port = {"network_id": network, "mac_address": self._mac, "binding:host_id": host}
        began = time.monotonic()
        asked = asyncio.create_task(asyncio.to_thread(client.ask, "POST", "/v2.0/ports", {"port": port}))
        try:
            async with asyncio.timeout(PATIENCE):
                await self._reached.wait()
        except TimeoutError:
            some = ", ".join(sorted(self._missing)[:3])
            raise LabError(f"{len(self._missing)} hosts were not told of a port: {some} ...") from None
        self._active[host].append((await asked)["port"]["id"])
        await self._report(host)
        return self._at - began

    # ---- one agent ----

    async def _listen(self, host: str) -> None:
        """Take what is said to a host."""
        async for line in self._listeners[host].lines():
            message = DECODER.decode(line)
            if host in self._silent:
                self._silent.discard(host)
                if not self._silent:
                    self._heard.set()
            if isinstance(message, Tick):
                continue
            self._bytes[host] += len(line) + 1
            if isinstance(message, PortPut) and message.port.mac_address == self._mac and host in self._missing:
                self._missing.discard(host)
                if not self._missing:
                    self._at = time.monotonic()
                    self._reached.set()

    async def _report(self, host: str) -> None:
        number = list(self._listeners).index(host)
        report = Report(
            revision=0,
            local=f"192.0.{2 + number // 250}.{1 + number % 250}",
            underlay_mtu=1500,
            version="bench",
            started_at="2026-01-01T00:00:00Z",
            active=tuple(sorted(self._active[host])),
        )
        await self._listeners[host].report(report)

    async def _live(self) -> None:
        """Give signs of life."""
        while True:
            for host in self._listeners:
                await asyncio.sleep(INTERVAL / len(self._listeners))
                await self._report(host)


def _networks(client: Client, count: int, hosts: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Make networks; return one for each number of hosts concerned, with the hosts that take part in it."""
    measured = [
        (network, hosts[:concerned])
        for network, concerned in zip(filling.networks(client, count), CONCERNED, strict=False)
    ]
    filling.subnets(client, [network for network, _ in measured], _PREFIX)
    filling.ports(client, [(network, host) for network, members in measured for host in members])
    return measured
