# SPDX-License-Identifier: Apache-2.0
"""Agents that die, lose their token and come back, while machines talk: hosts go on, and all agree again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.talking import ADDRESSES, BACK, all_agree, bound, knows, port_of, statuses, talk, unbroken
from vxnet.errors import LabError
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of two hosts that talk."""
    with Lab.unique("faults") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), 2) as cloud:
        talk(cloud)
        yield cloud


def alive(cloud: Cloud) -> dict[str, bool]:
    """Return which agents are."""
    return {agent["host"]: agent["alive"] for agent in cloud.get("/v2.0/agents")["agents"]}


def test_an_agent_is_away(cloud: Cloud) -> None:
    """Its port is DOWN and its row not alive within 30 s, while it forwards; back again, it is ACTIVE by itself."""
    host = cloud.hosts["h2"]
    with unbroken(cloud):
        host.stop(signal.SIGKILL)
        cloud.wait(lambda: statuses(cloud) == {"at-h1": "ACTIVE", "at-h2": "DOWN"}, "the port to be DOWN", timeout=30)
        assert alive(cloud) == {"h1": True, "h2": False}
        # What is decided meanwhile waits for it: a port that it has to make, and another address.
        network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
        port = bound(cloud, network, "meanwhile", "h2")
        host.start()
        cloud.wait(lambda: alive(cloud) == {"h1": True, "h2": True}, "the agent to be alive", BACK)
        knows(cloud, "h2", port)
        all_agree(cloud)
    assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204


def test_an_agent_is_killed_while_ports_come_and_go(cloud: Cloud) -> None:
    """kill -9 in the middle of changes: the next one finds what the kernel has, and what is not so any more goes."""
    host = cloud.hosts["h1"]
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    made: list[str] = []
    with unbroken(cloud):
        for n in range(3):
            made += [bound(cloud, network, f"n{n}{at}", at) for at in ADDRESSES]
            host.stop(signal.SIGKILL)
            assert cloud.ask("DELETE", f"/v2.0/ports/{made.pop(0)}").status_code == 204
            host.start()
        all_agree(cloud)
    for port in made:
        assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204


def test_a_token_is_revoked(cloud: Cloud) -> None:
    """A host whose token is deleted is told nothing more, and goes on; with a new one in its file it comes back."""
    host = cloud.hosts["h2"]
    with unbroken(cloud):
        cloud.server.cluster("agent-token", "h2", "--revoke")
        cloud.wait(lambda: cloud.listening() == {"h1"}, "the stream to end")
        cloud.wait(lambda: "401: " in host.log(), "the agent to be refused")
        cloud.put(f"/v2.0/ports/{port_of(cloud, 'h2')}", {"port": {"description": "unheard"}})
        host.use(cloud.server.agent_token("h2"))
        all_agree(cloud)


def test_what_differs_is_found(cloud: Cloud) -> None:
    """The check is no formality: a host that does not answer is told, by its name."""
    host = cloud.hosts["h1"]
    host.stop()
    with pytest.raises(LabError, match="host h1: its agent does not answer"):
        cloud.check()
    host.start()
    all_agree(cloud)
