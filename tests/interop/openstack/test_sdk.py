# SPDX-License-Identifier: Apache-2.0
"""openstacksdk, as Python programs use it: with pages, and with bulk requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openstack
import openstack.exceptions
import pytest

from tests.support.apiserver import PASSWORD, ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK warns of what it does itself, whatever it is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture
def network(server: ApiServer) -> Iterator[Any]:
    """Return the SDK's proxy for networks, for a member of the project red."""
    connection = openstack.connect(
        auth_type="http_basic",
        auth={"username": "alice", "password": PASSWORD, "endpoint": server.url},
        network_endpoint_override=server.url,
        load_yaml_config=False,
        load_envvars=False,
    )
    yield connection.network
    connection.close()


def test_pages(network: Any) -> None:
    """The SDK follows the links: all networks come, each once, however long a page is."""
    made = [network.create_network(name=f"page-{number:02}") for number in range(25)]
    listed = [one.id for one in network.networks(limit=10) if one.name.startswith("page-")]
    assert sorted(listed) == sorted(one.id for one in made)
    for one in made:
        network.delete_network(one)


def test_a_port(network: Any) -> None:
    """A network, a subnet, ports in bulk; one is found by name, changed, tagged; what is in use stays."""
    of = network.create_network(name="sdk")
    network.create_subnet(network_id=of.id, name="sdk", cidr="10.0.0.0/24", ip_version=4)
    ports = list(network.create_ports([{"network_id": of.id, "name": f"p{number}"} for number in range(3)]))
    assert [port.fixed_ips[0]["ip_address"] for port in ports] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    found = network.find_port("p1", network_id=of.id)
    assert found.id == ports[1].id
    changed = network.update_port(found, description="second")
    assert (changed.description, changed.revision_number) == ("second", 2)
    assert network.set_tags(changed, ["a", "b"]).tags == ["a", "b"]
    assert [port.id for port in network.ports(tags="a")] == [found.id]
    with pytest.raises(openstack.exceptions.ConflictException, match="has ports"):
        network.delete_network(of)
    for port in ports:
        network.delete_port(port)
    network.delete_network(of)
    assert network.find_network("sdk") is None


def test_a_revision(network: Any) -> None:
    """if_revision is checked by the server: a change for an earlier state is refused."""
    of = network.create_network(name="revised")
    network.update_network(of, name="revised again")
    with pytest.raises(openstack.exceptions.PreconditionFailedException):
        network.update_network(of.id, if_revision=1, name="no")
    network.delete_network(of.id, if_revision=2)
