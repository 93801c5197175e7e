# SPDX-License-Identifier: Apache-2.0
"""The real openstack client, as a person types it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.openstack.conftest import PASSWORD
from vxnet.lab.cloud import OPENSTACK

if TYPE_CHECKING:
    from vxnet.lab.apiserver import ApiServer


class Person:
    """Somebody at a shell, with the variables set that name the server and themselves."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env

    def types(self, line: str, code: int = 0) -> str:
        """Run the client and return what it prints."""
        words = [str(OPENSTACK), *line.split()]
        done = subprocess.run(words, env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def gets(self, line: str) -> Any:
        """Run the client and return what it shows."""
        return json.loads(self.types(f"{line} -f json"))


@pytest.fixture(scope="module")
def person(server: ApiServer) -> Person:
    """Return the administrator, by name and password."""
    return Person(server.as_user("admin", PASSWORD))


def test_networks(person: Person) -> None:
    """A VNI is asked for in the client's words, found by them, and given away once."""
    made = person.gets("network create --provider-network-type vxlan --provider-segment 8100 --mtu 1400 --tag t1 n1")
    assert (made["provider:segmentation_id"], made["mtu"], made["tags"]) == (8100, 1400, ["t1"])
    said = person.types("network create --provider-network-type vxlan --provider-segment 8100 n2", code=1)
    assert "409" in said
    assert "VNI 8100" in said
    listed = person.gets("network list --provider-network-type vxlan --provider-segment 8100 --long")
    assert [network["Name"] for network in listed] == ["n1"]
    assert [network["Name"] for network in person.gets("network list --tags t1")] == ["n1"]
    assert "No Network found" in person.types("network show n9", code=1)
    person.types("network set --name renamed --disable n1")
    assert person.gets("network show renamed")["status"] == "DOWN"
    person.types("network delete renamed")
    assert "1 of 1 networks failed to delete." in person.types("network delete renamed", code=1)


def test_subnets_and_ports(person: Person) -> None:
    """Pools, gateways, fixed addresses and bindings, changed one by one."""
    person.types("network create n3")
    subnet = person.gets(
        "subnet create --network n3 --subnet-range 10.5.0.0/24 --gateway none --dns-nameserver 10.5.0.53 "
        "--allocation-pool start=10.5.0.100,end=10.5.0.200 --host-route destination=10.6.0.0/16,gateway=10.5.0.9 s3"
    )
    assert subnet["gateway_ip"] is None
    assert subnet["allocation_pools"] == [{"start": "10.5.0.100", "end": "10.5.0.200"}]
    six = person.gets("subnet create --network n3 --ip-version 6 --subnet-range 2001:db8:5::/64 s6")
    assert six["gateway_ip"] == "2001:db8:5::1"
    port = person.gets("port create --network n3 --mac-address fa:16:3e:00:00:07 --host h1 p3")
    assert sorted(fixed["ip_address"] for fixed in port["fixed_ips"]) == ["10.5.0.100", "2001:db8:5::2"]
    assert (port["binding_host_id"], port["binding_vif_type"], port["status"]) == ("h1", "binding_failed", "DOWN")
    person.types("port set --fixed-ip subnet=s3,ip-address=10.5.0.7 --allowed-address ip-address=10.5.0.8 p3")
    addresses = {fixed["ip_address"] for fixed in person.gets("port show p3")["fixed_ips"]}
    assert addresses == {"10.5.0.100", "2001:db8:5::2", "10.5.0.7"}
    person.types("port unset --fixed-ip subnet=s3,ip-address=10.5.0.7 --host p3")
    assert person.gets("port show p3")["binding_vif_type"] == "unbound"
    assert "409" in person.types("subnet delete s3", code=1)
    assert "409" in person.types("network delete n3", code=1)
    person.types("port delete p3")
    person.types("network delete n3")
    assert "No Subnet found" in person.types("subnet show s3", code=1)


def test_projects_by_token(server: ApiServer) -> None:
    """With a token there is no discovery; a project is named by its id, by administrators."""
    person = Person(server.as_token(server.add_token("shell", "admin", "admin")))
    assert person.gets("network create --project tenant9 n9")["project_id"] == "tenant9"
    member = Person(server.as_token(server.add_token("nine", "tenant9", "member")))
    assert [network["Name"] for network in member.gets("network list")] == ["n9"]
    assert "403" in member.types("network create --project tenant8 n8", code=1)
    assert person.gets("network agent list") == []
    assert "network" in person.types("extension list --network")
