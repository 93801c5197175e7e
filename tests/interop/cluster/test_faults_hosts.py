# SPDX-License-Identifier: Apache-2.0
"""A server and agents that die and come back, while machines talk: what was answered stands, and all agree again."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from vxnet.errors import LabError
from vxnet.lab import Lab
from vxnet.lab.cloud import PASSWORD, Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of two hosts, and a network with a machine on each."""
    with Lab.unique("faults") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), 2) as cloud:
        network = cloud.post("/v2.0/networks", {"network": {"name": "blue"}})["network"]["id"]
        cloud.post("/v2.0/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})
        for host, address in (("h1", "10.0.0.11"), ("h2", "10.0.0.12")):
            body = {
                "network_id": network,
                "name": f"at-{host}",
                "binding:host_id": host,
                "fixed_ips": [{"ip_address": address}],
            }
            port = cloud.post("/v2.0/ports", {"port": body})["port"]["id"]
            cloud.wait(lambda h=host, p=port: p in cloud.hosts[h].vxnet("port", "list").stdout, "the host to know")  # type: ignore[misc]
            cloud.hosts[host].plug(port, cloud.machine(f"m{host}"))
        yield cloud


def ports(cloud: Cloud) -> dict[str, str]:
    """Return the status of each port by its name."""
    return {port["name"]: port["status"] for port in cloud.get("/v2.0/ports")["ports"]}


def reaches(cloud: Cloud) -> bool:
    """Tell whether the machines reach each other."""
    return bool(cloud.lab["mh1"].ping("10.0.0.12", count=3))


def test_a_server_killed_while_it_creates(cloud: Cloud) -> None:
    """kill -9 between and inside of creates: what was answered is there, and nothing else is half there."""
    answered: list[str] = []
    over = threading.Event()

    def create() -> None:
        with cloud.control.enter(), httpx.Client(auth=("admin", PASSWORD), trust_env=False) as client:
            while not over.is_set():
                try:
                    answer = client.post(f"{cloud.server.url}/v2.0/networks", json={"network": {"name": "many"}})
                except httpx.HTTPError:
                    continue
                answered.append(answer.json()["network"]["id"])

    worker = threading.Thread(target=create)
    worker.start()
    try:
        for n in range(1, 4):
            cloud.wait(lambda n=n: len(answered) > 20 * n, "networks to be created")  # type: ignore[misc]
            cloud.server.kill()
            assert reaches(cloud)
            cloud.server.start()
    finally:
        over.set()
        worker.join()
    there = {network["id"] for network in cloud.get("/v2.0/networks")["networks"]}
    assert set(answered) <= there
    cloud.wait(lambda: set(ports(cloud).values()) == {"ACTIVE"}, "the agents to come back")
    assert "all hold the same" in cloud.check()


def test_an_agent_is_away(cloud: Cloud) -> None:
    """Its port is DOWN and its row not alive within 30 s, while it forwards; back again, it is ACTIVE by itself."""
    host = cloud.hosts["h2"]
    host.stop(signal.SIGKILL)
    cloud.wait(lambda: ports(cloud) == {"at-h1": "ACTIVE", "at-h2": "DOWN"}, "the port to be DOWN", timeout=30)
    alive = {agent["host"]: agent["alive"] for agent in cloud.get("/v2.0/agents")["agents"]}
    assert alive == {"h1": True, "h2": False}
    assert reaches(cloud)
    # What changes meanwhile waits for it.
    changed = cloud.put(f"/v2.0/ports/{_id(cloud, 'at-h1')}", {"port": {"name": "renamed"}})["port"]["name"]
    assert changed == "renamed"
    host.start()
    cloud.wait(lambda: ports(cloud) == {"renamed": "ACTIVE", "at-h2": "ACTIVE"}, "the agent to come back")
    cloud.put(f"/v2.0/ports/{_id(cloud, 'renamed')}", {"port": {"name": "at-h1"}})
    assert "all hold the same" in cloud.check()


def test_the_way_to_the_server_is_cut(cloud: Cloud) -> None:
    """With the server's link down the hosts go on, and what was decided meanwhile arrives once it is back."""
    cloud.control.ip("link", "set", "eth0", "down")
    assert reaches(cloud)
    name = _in_control(cloud)
    cloud.control.ip("link", "set", "eth0", "up")
    cloud.wait(lambda: name in cloud.hosts["h1"].vxnet("port", "list").stdout, "the change to arrive", timeout=60)
    assert "all hold the same" in cloud.check()
    cloud.wait(lambda: cloud.ask("DELETE", f"/v2.0/ports/{_id(cloud, name)}").status_code == 204, "the port to go")


def test_what_differs_is_found(cloud: Cloud) -> None:
    """The check is no formality: a host that does not answer is told, by its name."""
    host = cloud.hosts["h1"]
    host.stop()
    with pytest.raises(LabError, match="host h1: its agent does not answer"):
        cloud.check()
    host.start()
    cloud.wait(lambda: set(ports(cloud).values()) == {"ACTIVE"}, "the agent to come back")
    assert "all hold the same" in cloud.check()


def _id(cloud: Cloud, name: str) -> str:
    return next(str(port["id"]) for port in cloud.get("/v2.0/ports")["ports"] if port["name"] == name)


def _in_control(cloud: Cloud) -> str:
    """Create a port at h1 from the control host itself, which reaches the server with its link down."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    body = {"network_id": network, "name": "meanwhile", "binding:host_id": "h1"}
    made: str = cloud.post("/v2.0/ports", {"port": body})["port"]["name"]
    return made
