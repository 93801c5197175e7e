# SPDX-License-Identifier: Apache-2.0
"""The real `openstack` client: the commands that people type, in the order of a day's work.

A call takes a second and a half, most of it Python's start: so few tests, and each a story.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import cloud
from tests.support.apiserver import PASSWORD
from vxnet.cluster.records import Heartbeat
from vxnet.cluster.times import now

if TYPE_CHECKING:
    from tests.support.apiserver import ApiServer

CLIENT = Path(__file__).parents[3] / ".venv/openstack/bin/openstack"


class Openstack:
    """The client, as one user."""

    def __init__(self, *login: str) -> None:
        self._login = login

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        command = [str(CLIENT), *self._login, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)

    def __call__(self, *words: str) -> str:
        """Run a command that succeeds, and return what it prints."""
        done = self.run(*words)
        assert done.returncode == 0, f"openstack {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        """Run a command that prints JSON, and return what that says."""
        return json.loads(self(*words, "-f", "json"))


@pytest.fixture
def admin(server: ApiServer) -> Openstack:
    """Return the client of an administrator, by user and password."""
    login = ("--os-auth-type", "http_basic", "--os-username", "root", "--os-password", PASSWORD)
    return Openstack(*login, "--os-endpoint", server.url)


@pytest.fixture
def member(server: ApiServer) -> Openstack:
    """Return the client of a member of the project red, by token."""
    login = ("--os-auth-type", "admin_token", "--os-token", server.tokens["alice"])
    return Openstack(*login, "--os-endpoint", server.url)


def test_a_network_from_its_making_to_its_end(server: ApiServer, admin: Openstack) -> None:
    """An administrator makes a network with a VNI, a subnet, a port at a host, moves it, and deletes all again."""
    server.put(cloud.agent("h1"), Heartbeat("h1", now(), 1))
    made = admin.json(
        "network", "create", "--provider-network-type", "vxlan", "--provider-segment", "5001", "--mtu", "1400",
        "--tag", "t1", "--project", "red", "blue",
    )  # fmt: skip
    assert (made["provider:segmentation_id"], made["mtu"], made["project_id"]) == (5001, 1400, "red")
    made = admin.json("subnet", "create", "--network", "blue", "--subnet-range", "10.1.0.0/24", "--dns-nameserver",
                      "9.9.9.9", "--allocation-pool", "start=10.1.0.10,end=10.1.0.99", "s4")  # fmt: skip
    assert made["gateway_ip"] == "10.1.0.1"
    admin("subnet", "create", "--network", "blue", "--ip-version", "6", "--subnet-range", "fd00:1::/64", "--gateway",
          "none", "--no-dhcp", "s6")  # fmt: skip
    made = admin.json(
        "port", "create", "--network", "blue", "--fixed-ip", "subnet=s4,ip-address=10.1.0.77", "--mac-address",
        "fa:16:3e:00:00:77", "--host", "h1", "--allowed-address", "ip-address=10.9.0.0/16", "p1",
    )  # fmt: skip
    assert made["fixed_ips"] == [{"subnet_id": made["fixed_ips"][0]["subnet_id"], "ip_address": "10.1.0.77"}]
    assert (made["binding_vif_type"], made["status"]) == ("tap", "DOWN")
    (listed,) = admin.json("port", "list", "--network", "blue", "--host", "h1")
    assert (listed["Name"], listed["MAC Address"]) == ("p1", "fa:16:3e:00:00:77")
    admin("port", "set", "--host", "h2", "--fixed-ip", "subnet=s6", "p1")
    shown = admin.json("port", "show", "p1")
    assert (shown["binding_host_id"], len(shown["fixed_ips"])) == ("h2", 2)
    admin("port", "unset", "--host", "p1")
    assert admin.json("port", "show", "p1")["binding_vif_type"] == "unbound"
    assert [one["Name"] for one in admin.json("network", "list", "--tags", "t1", "--long")] == ["blue"]
    server.put(Heartbeat("h1", now(), 2))
    (agent,) = admin.json("network", "agent", "list")
    assert (agent["Host"], agent["Alive"], agent["Binary"]) == ("h1", True, "vxnet-agent")
    in_use = admin.run("network", "delete", "blue")
    assert in_use.returncode == 1
    assert "409" in in_use.stderr
    admin("port", "delete", "p1")
    admin("network", "delete", "blue")
    assert admin.json("subnet", "list") == []


def test_a_member(server: ApiServer, admin: Openstack, member: Openstack) -> None:
    """A member makes a network by name alone, sees only their project's, and is told what they may not."""
    with server.client("root") as root:
        root.post("/v2.0/networks", json={"network": {"name": "not red"}})
    made = member.json("network", "create", "green")
    assert made["project_id"] == "red"
    assert member.json("network", "show", "green")["mtu"] == 1450
    assert [one["Name"] for one in member.json("network", "list")] == ["green"]
    member("network", "set", "--description", "grass", "--tag", "x", "green")
    refused = member.run("network", "create", "--provider-segment", "9", "--provider-network-type", "vxlan", "no")
    assert refused.returncode == 1
    assert "disallowed by policy" in refused.stderr
    missing = member.run("network", "show", "not red")
    assert "No Network found for not red" in missing.stderr
    member("network", "delete", "green")
    aliases = {extension["Alias"] for extension in admin.json("extension", "list", "--network")}
    assert {"provider", "binding", "port-security", "standard-attr-tag"} <= aliases


def test_discovery_before_authentication(server: ApiServer) -> None:
    """With auth type none the client asks for versions, finds the API, and is refused there: it has no project."""
    nobody = Openstack("--os-auth-type", "none", "--os-endpoint", server.url)
    refused = nobody.run("network", "list")
    assert refused.returncode == 1
    assert "401" in refused.stderr
