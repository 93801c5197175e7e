# SPDX-License-Identifier: Apache-2.0
"""Two servers over an etcd of three members race: nothing is doubled, lost or half made."""

from __future__ import annotations

import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from vxnet.lab.apiserver import ApiServer
from vxnet.lab.etcd import Etcd
from vxnet.lab.vswitch import vxnet

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 4
"""Requests under way at each server."""


class Pair:
    """Two servers, and an administrator's client of each."""

    def __init__(self, etcd: Etcd, servers: list[ApiServer], token: str) -> None:
        self.etcd = etcd
        self.servers = servers
        headers = {"X-Auth-Token": token}
        self.clients = [
            httpx.Client(base_url=f"{server.url}/v2.0", headers=headers, timeout=60, trust_env=False)
            for server in servers
        ]

    def both(self, path: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
        """POST the bodies, half to each server, several at once."""
        with ThreadPoolExecutor(2 * AT_ONCE) as pool:
            clients = (self.clients[n % 2] for n in range(len(bodies)))
            return list(pool.map(lambda client, body: client.post(path, json=body), clients, bodies))

    def make(self, kind: str, **values: Any) -> str:
        """Make one resource and return its id."""
        answer = self.clients[0].post(f"/{kind}s", json={kind: values})
        assert answer.status_code == 201, answer.text
        name: str = answer.json()[kind]["id"]
        return name

    def check(self) -> None:
        """Store and servers hold the same."""
        words = (*vxnet(), "cluster", "check", "--store", self.etcd.url)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 servers" in done.stdout


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Start three members and two servers."""
    folder = tmp_path_factory.mktemp("pair")
    etcd = Etcd(folder / "etcd", 3)
    try:
        servers = [ApiServer(folder, etcd.url, "--vni-range", "5001-9000", name=f"server{n}") for n in range(2)]
        with servers[0], servers[1]:
            pair = Pair(etcd, servers, servers[0].add_token("tests", "admin", "admin"))
            yield pair
            for client in pair.clients:
                client.close()
    finally:
        etcd.close()


def test_a_thousand_ports_of_one_prefix(pair: Pair) -> None:
    """Two servers give 1000 addresses of a /22 away at once: none twice, none lost, and the rest of it last."""
    network = pair.make("network")
    pair.make("subnet", network_id=network, ip_version=4, cidr="10.0.0.0/22")
    made = pair.both("/ports", [{"port": {"network_id": network}}] * 1000)
    assert Counter(answer.status_code for answer in made) == {201: 1000}
    ports = [answer.json()["port"] for answer in made]
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 1000
    assert len({port["mac_address"] for port in ports}) == 1000
    listed = [client.get("/ports", params={"network_id": network}).json()["ports"] for client in pair.clients]
    assert {port["id"] for port in listed[0]} == {port["id"] for port in listed[1]} == {port["id"] for port in ports}
    # A /22 has 1024 addresses: not its first and last, and not the gateway's.
    last = pair.both("/ports", [{"port": {"network_id": network}}] * 30)
    assert Counter(answer.status_code for answer in last) == {201: 21, 409: 9}
    kinds = {answer.json()["NeutronError"]["type"] for answer in last if answer.is_error}
    assert kinds == {"IpAddressGenerationFailure"}
    pair.check()


def test_networks_at_once(pair: Pair) -> None:
    """Two servers give VNIs away at once: none twice, and none is passed over for long: the next get what is free."""
    made = pair.both("/networks", [{"network": {}}] * 60)
    made += [pair.clients[n % 2].post("/networks", json={"network": {}}) for n in range(60)]
    assert Counter(answer.status_code for answer in made) == {201: 120}
    there = [network["provider:segmentation_id"] for network in pair.clients[0].get("/networks").json()["networks"]]
    assert len(set(there)) == len(there)
    assert set(there) == set(range(5001, 5001 + len(there)))
    asked = pair.both("/networks", [{"network": {"provider:segmentation_id": 8888}}] * 8)
    assert Counter(answer.status_code for answer in asked) == {201: 1, 409: 7}
    pair.check()


def test_subnets_that_overlap(pair: Pair) -> None:
    """Of two overlapping subnets made at once at two servers, one is made."""
    network = pair.make("network")
    bodies = [
        {"subnet": {"network_id": network, "ip_version": 4, "cidr": f"10.0.{n}.0/16"}} for n in range(2 * AT_ONCE)
    ]
    assert Counter(answer.status_code for answer in pair.both("/subnets", bodies)) == {201: 1, 400: 2 * AT_ONCE - 1}
    pair.check()


def test_what_is_in_use_at_the_other_server(pair: Pair) -> None:
    """A network is deleted, or gets a port: never both."""
    for _ in range(5):
        network = pair.make("network")
        with ThreadPoolExecutor(2) as pool:
            gone = pool.submit(pair.clients[0].delete, f"/networks/{network}")
            port = pool.submit(pair.clients[1].post, "/ports", json={"port": {"network_id": network}})
        assert {gone.result().status_code, port.result().status_code} in ({204, 404}, {409, 201})
    pair.check()


def test_several_checks_at_once(pair: Pair) -> None:
    """Checks that run beside one another do not get in each other's way."""
    with ThreadPoolExecutor(3) as pool:
        for check in [pool.submit(pair.check) for _ in range(3)]:
            check.result()
