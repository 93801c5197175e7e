# SPDX-License-Identifier: Apache-2.0
"""Two servers over an etcd of three members, agents that know both: each of these dies in turn, and hosts go on."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.talking import BACK, all_agree, bound, knows, steady, talk, unbroken
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab.apiserver import ApiServer


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of two servers and two hosts that talk."""
    with Lab.unique("etcd") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), 2, servers=2) as cloud:
        talk(cloud)
        yield cloud


class Made:
    """What two clients got made, one at each server, and what else they were answered."""

    def __init__(self) -> None:
        self.networks: set[str] = set()
        self.refused: set[int | str] = set()
        self.words: set[str] = set()


@contextmanager
def creating(cloud: Cloud) -> Iterator[Made]:
    """Create networks at both servers all the time; at the end both have all that were answered with 201."""
    made, over = Made(), threading.Event()
    token = cloud.server.add_token(f"at-{id(made)}", "admin", "admin")

    def create(server: ApiServer) -> None:
        headers = {"X-Auth-Token": token}
        with cloud.control.enter(), httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
            while not over.is_set():
                try:
                    answer = client.post(f"{server.url}/v2.0/networks", json={"network": {"name": "many"}})
                except httpx.HTTPError as error:
                    made.refused.add(type(error).__name__)
                    over.wait(0.05)  # leaves the processors to the server that starts
                    continue
                if answer.status_code == 201:
                    made.networks.add(answer.json()["network"]["id"])
                else:
                    made.refused.add(answer.status_code)
                    made.words.add(answer.text)

    threads = [threading.Thread(target=create, args=(server,)) for server in cloud.servers]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert all(set(json.loads(words)) == {"NeutronError"} for words in made.words)
    for server in cloud.servers:
        there = {network["id"] for network in cloud.ask("GET", "/v2.0/networks", at=server).json()["networks"]}
        assert made.networks <= there


def more(cloud: Cloud, made: Made, what: str) -> None:
    """Wait until some more were made."""
    before = len(made.networks)
    cloud.wait(lambda: len(made.networks) > before + 20, f"networks to be created {what}", BACK)


def beats(cloud: Cloud) -> set[tuple[str, str]]:
    """Return the time of each agent's last heartbeat."""
    return {(agent["host"], agent["heartbeat_timestamp"]) for agent in cloud.get("/v2.0/agents")["agents"]}


def test_each_member_dies_and_returns(cloud: Cloud) -> None:
    """Whichever member is killed, both servers write on, with an error to repeat at most; returned, all agree."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    with unbroken(cloud), creating(cloud) as made:
        more(cloud, made, "by all members")
        for member in range(3):
            cloud.etcd.kill(member)
            more(cloud, made, f"without m{member}")
            port = bound(cloud, network, f"without-m{member}", "h1")
            knows(cloud, "h1", port, BACK)
            cloud.etcd.restart(member)
            assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204
    assert made.refused <= {503}
    all_agree(cloud)


def test_no_quorum(cloud: Cloud) -> None:
    """With two of three members away servers answer 503 and nothing is written; with one back, all goes on."""
    with unbroken(cloud), creating(cloud) as made:
        for member in (0, 1):
            cloud.etcd.kill(member)
        cloud.wait(lambda: 503 in made.refused, "a server to say that its store is away", BACK)
        for member in (0, 1):
            cloud.etcd.restart(member)
        more(cloud, made, "with all members")
    assert made.refused == {503}
    all_agree(cloud)


def test_each_server_dies_and_returns(cloud: Cloud) -> None:
    """Agents of a server that is killed go to the other one, which tells them what comes; they stay ACTIVE."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    first, second = cloud.servers
    with unbroken(cloud), creating(cloud) as made, steady(cloud):
        for server, other in ((first, second), (second, first)):
            more(cloud, made, "by both servers")
            cloud.server = other
            server.kill()
            port = bound(cloud, network, "elsewhere", "h2")
            knows(cloud, "h2", port, BACK)
            more(cloud, made, "by one server")
            assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204
            server.start()
    assert made.refused <= {"ConnectError", "ReadError", "RemoteProtocolError"}
    assert cloud.server is first
    all_agree(cloud)


def test_a_server_that_stands_still(cloud: Cloud) -> None:
    """One that is stopped keeps its connections and says nothing: its agents leave it; going on, it is as before."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    first, second = cloud.servers
    cloud.server = second
    first.process.send_signal(signal.SIGSTOP)
    try:
        with unbroken(cloud), steady(cloud):
            for host in cloud.hosts:
                port = bound(cloud, network, f"still-{host}", host)
                knows(cloud, host, port, BACK)
                assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204
            before = beats(cloud)
            cloud.wait(lambda: len(beats(cloud) | before) == 4, "a heartbeat of each agent", BACK)
    finally:
        first.process.send_signal(signal.SIGCONT)
        cloud.server = first
    all_agree(cloud)
