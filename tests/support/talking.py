# SPDX-License-Identifier: Apache-2.0
"""Two machines of one network, each at a host of its own, that talk all the time while things go wrong elsewhere.

[ h1 ] -- mh1 10.0.0.11        blue, 10.0.0.0/24        10.0.0.12 mh2 -- [ h2 ]
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx

from tests.support.repeated import repeated
from vxnet.lab.cloud import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab.apiserver import ApiServer
    from vxnet.lab.cloud import Cloud
    from vxnet.lab.ping import Ping

ADDRESSES = {"h1": "10.0.0.11", "h2": "10.0.0.12"}

ACTIVE = {"at-h1": "ACTIVE", "at-h2": "ACTIVE"}

BACK = 60.0
"""Seconds within which all is as before once what was away is back: agents ask again every 15 s at the latest."""


def talk(cloud: Cloud) -> str:
    """Make network blue with a machine at each host, and return its id."""
    network: str = cloud.post("/v2.0/networks", {"network": {"name": "blue"}})["network"]["id"]
    cloud.post("/v2.0/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})
    for host, address in ADDRESSES.items():
        port = bound(cloud, network, f"at-{host}", host, fixed_ips=[{"ip_address": address}])
        knows(cloud, host, port)
        cloud.hosts[host].plug(port, cloud.machine(f"m{host}"))
    cloud.wait(lambda: set(statuses(cloud).values()) == {"ACTIVE"}, "both ports to be ACTIVE")
    return network


def bound(cloud: Cloud, network: str, name: str, host: str, **values: object) -> str:
    """Make a port at a host, and return its id."""
    body = {"network_id": network, "name": name, "binding:host_id": host, **values}
    port: str = cloud.post("/v2.0/ports", {"port": body})["port"]["id"]
    return port


def knows(cloud: Cloud, host: str, port: str, timeout: float = PATIENCE) -> None:
    """Wait until a host has been told of a port of its own."""
    cloud.wait(lambda: port in cloud.hosts[host].vxnet("port", "list").stdout, f"{host} to know {port}", timeout)


def statuses(cloud: Cloud, at: ApiServer | None = None) -> dict[str, str]:
    """Return the status of the ports of the two machines, by their names, as one of the servers says."""
    ports = cloud.get("/v2.0/ports", at=at)["ports"]
    return {port["name"]: port["status"] for port in ports if port["name"] in {"at-h1", "at-h2"}}


def port_of(cloud: Cloud, host: str) -> str:
    """Return the id of the port of the machine at a host."""
    port: str = cloud.get(f"/v2.0/ports?name=at-{host}")["ports"][0]["id"]
    return port


def all_agree(cloud: Cloud, hosts: int = 2) -> None:
    """Wait for the agents, from whatever was wrong, and then for nobody: no difference is left."""
    cloud.wait(lambda: len(cloud.listening()) == hosts, "the agents to listen", BACK)
    cloud.wait(
        lambda: all(statuses(cloud, server) == ACTIVE for server in cloud.servers), "both ports to be ACTIVE", BACK
    )
    said = cloud.check()
    assert "all hold the same" in said
    assert f"{hosts} hosts" in said


@contextmanager
def unbroken(cloud: Cloud) -> Iterator[None]:
    """Ping from one machine to the other, 20 times a second: nothing is lost meanwhile."""
    rounds: list[Ping] = []

    def ping() -> None:
        rounds.append(cloud.lab["mh1"].ping(ADDRESSES["h2"], count=10, interval=0.05, timeout=5))

    with repeated(ping, pause=0):
        yield
    assert rounds
    assert sum(each.lost for each in rounds) == 0, f"lost {sum(each.lost for each in rounds)} of {10 * len(rounds)}"


@contextmanager
def steady(cloud: Cloud) -> Iterator[None]:
    """Ask for the ports' status all the time: they are ACTIVE at every moment."""
    began = time.monotonic()
    seen = 0
    down: list[str] = []

    def look() -> None:
        nonlocal seen
        with suppress(httpx.TransportError):  # a server was killed
            found = statuses(cloud)
            seen += 1
            if found != ACTIVE:
                agents = [(each["host"], each["heartbeat_timestamp"]) for each in cloud.get("/v2.0/agents")["agents"]]
                down.append(f"{time.monotonic() - began:.1f} s: {found}, heartbeats {agents}")

    with repeated(look, pause=0.1):
        yield
    assert seen
    assert not down, f"{len(down)} of {seen} times one was not, the first after {down[0]}"
