# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a server in the middle of what several clients have it make, change and delete, again and again.

4 clients: a network, a subnet, 5 ports in one request, another name, delete every second one      kill -9, start
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.talking import BACK, all_agree, talk, unbroken
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 4
TIMES = 6
TOGETHER = 5
"""Ports in one request."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of two hosts that talk."""
    with Lab.unique("kill") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), 2) as cloud:
        talk(cloud)
        yield cloud


class Client:
    """One client, and what it was answered: what has to be there, and what has to be gone. It repeats nothing."""

    def __init__(self, cloud: Cloud, token: str, over: threading.Event) -> None:
        self.there: dict[str, str] = {}
        self.gone: set[str] = set()
        self.partly: set[str] = set()
        """The networks of which some ports may be deleted."""
        self.answers: Counter[int] = Counter()
        self._cloud = cloud
        self._token = token
        self._over = over
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        headers = {"X-Auth-Token": self._token}
        with self._cloud.control.enter(), httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
            number = 0
            while not self._over.is_set():
                number += 1
                try:
                    self._round(client, number)
                except httpx.HTTPError:  # what was asked for may have been done, or not
                    self._over.wait(0.05)  # leaves the processors to the server that starts

    def _round(self, client: httpx.Client, number: int) -> None:
        network = self._make(client, "network", {"name": "first"})
        values = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}
        subnet = self._make(client, "subnet", values)
        of = [{"network_id": network, "binding:host_id": f"h{n % 3}" if n % 3 else ""} for n in range(TOGETHER)]
        ports = [port["id"] for port in self._ask(client, "POST", "/ports", {"ports": of})["ports"]]
        self.there |= dict.fromkeys(ports, "")
        self.there.pop(network)
        self._ask(client, "PUT", f"/networks/{network}", {"network": {"name": "second"}})
        self.there[network] = "second"
        if number % 2:
            return
        self.partly.add(network)
        for port in ports:
            del self.there[port]
            self._ask(client, "DELETE", f"/ports/{port}")
            self.gone.add(port)
        del self.there[network], self.there[subnet]
        self._ask(client, "DELETE", f"/networks/{network}")
        self.gone |= {network, subnet}  # a network takes its subnets with it

    def _make(self, client: httpx.Client, kind: str, body: dict[str, Any]) -> str:
        made = self._ask(client, "POST", f"/{kind}s", {kind: body})[kind]
        self.there[made["id"]] = body.get("name", "")
        return str(made["id"])

    def _ask(self, client: httpx.Client, method: str, path: str, body: object = None) -> Any:
        answer = client.request(method, f"{self._cloud.server.url}/v2.0{path}", json=body)
        self.answers[answer.status_code] += 1
        answer.raise_for_status()
        return answer.json() if answer.content else None


def test_a_server_is_killed_again_and_again(cloud: Cloud) -> None:
    """What was answered stands, a request is done whole or not at all, and agents come back by themselves."""
    over = threading.Event()
    token = cloud.server.add_token("clients", "clients", "admin")
    unlimited = {"quota": dict.fromkeys(("network", "subnet", "port"), -1)}
    cloud.put("/v2.0/quotas/clients", unlimited)
    clients = [Client(cloud, token, over) for _ in range(CLIENTS)]
    for client in clients:
        client.thread.start()
    try:
        with unbroken(cloud):
            for _ in range(TIMES):
                before = sum(client.answers.total() for client in clients)
                more = before + 40
                cloud.wait(lambda n=more: sum(c.answers.total() for c in clients) >= n, "answers", BACK)  # type: ignore[misc]
                cloud.server.kill()
                cloud.server.start()
    finally:
        over.set()
        for client in clients:
            client.thread.join()
    kinds = ("networks", "subnets", "ports")
    found = {kind: cloud.get(f"/v2.0/{kind}?project_id=clients")[kind] for kind in kinds}
    names = {one["id"]: one["name"] for kind in kinds for one in found[kind]}
    for client in clients:
        assert client.there.items() <= names.items()
        assert not client.gone & names.keys()
        assert client.answers.keys() <= {200, 201, 204}
    assert any(client.gone for client in clients)
    ports = Counter(port["network_id"] for port in found["ports"])
    partly = set[str]().union(*(client.partly for client in clients))
    assert {ports[network["id"]] for network in found["networks"] if network["id"] not in partly} <= {0, TOGETHER}
    all_agree(cloud)
