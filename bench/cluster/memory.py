# SPDX-License-Identifier: Apache-2.0
"""What a server and an agent hold in memory, in a cloud of many networks and ports.

    networks with a subnet each; ports behind 200 hosts in turn, of each network 10: 250 ports a host of 50 000
    one of the hosts is real: `vxnet agent` in a namespace, whose kernel is given the segments of its ports

Memory is PSS: a process's own pages, and its part of those that it shares.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.cluster import filling
from bench.cluster.stage import pss, tokens, unlimited
from bench.cluster.wire import Client
from vxnet.cluster.messages import Report
from vxnet.lab import Lab, wait_until
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from typing import Any

HOSTS = 200
PATIENCE = 120.0
"""Seconds that the agent may take for its segments."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of a server and of an agent, before there was anything and with all of it.

    ``segments`` and ``ports_there`` are those the agent is told of; ``seconds`` it took to create all ports.
    """

    store: str
    networks: int
    ports: int
    segments: int
    ports_there: int
    server_empty: int
    server: int
    agent_empty: int
    agent: int
    seconds: float


def memory(networks: int, ports: int) -> Memory:
    """Create so many of both over an SQLite store, and look. LabError if the agent does not follow."""
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as name, ExitStack() as stack:
        folder = Path(name)
        lab = stack.enter_context(Lab.unique("bench-cluster"))
        cloud = Cloud(lab, folder, hosts=1, arguments=("--config", str(unlimited(folder))))
        others = [f"far{number}" for number in range(1, HOSTS)]
        admin, *texts = tokens(cloud.store, others)
        stack.enter_context(cloud.control.enter())
        stack.enter_context(cloud)
        agent, server = cloud.hosts["h1"].pid, cloud.server.process.pid
        empty = pss(server), pss(agent)
        for number, (host, token) in enumerate(zip(others, texts, strict=True)):
            with Client(cloud.server.url, token) as client:
                client.ask("PUT", f"/agent/v1/{host}/report", _report(number))
        client = stack.enter_context(Client(cloud.server.url, admin))
        nets = filling.networks(client, networks)
        filling.subnets(client, nets)
        began = time.monotonic()
        hosts = ["h1", *others]
        each = ports // networks
        filling.ports(
            client, [(net, hosts[(at * each + n) % HOSTS]) for at, net in enumerate(nets) for n in range(each)]
        )
        took = time.monotonic() - began
        mine = {net for at, net in enumerate(nets) for n in range(each) if (at * each + n) % HOSTS == 0}
        wait_until(lambda: len(_held(client)) == len(mine), timeout=PATIENCE, what="h1 to have its segments")
        held = _held(client)
        return Memory(
            store="sqlite",
            networks=len(nets),
            ports=each * len(nets),
            segments=len(held),
            ports_there=each * len(held),
            server_empty=empty[0],
            server=pss(server),
            agent_empty=empty[1],
            agent=pss(agent),
            seconds=took,
        )


def _report(number: int) -> Report:
    return Report(
        revision=0,
        local=f"192.0.2.{number}",
        underlay_mtu=1500,
        version="bench",
        started_at="2026-01-01T00:00:00Z",
        active=(),
    )


def _held(client: Client) -> list[Any]:
    """Return the segments in h1's kernel."""
    answers = client.ask("POST", "/cluster/v1/audit")["answers"]
    segments: list[Any] = answers["h1"]["segments"] if "h1" in answers else []
    return segments
