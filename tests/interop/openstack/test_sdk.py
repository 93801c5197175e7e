# SPDX-License-Identifier: Apache-2.0
"""openstacksdk, as a Python program uses it: resources as objects, lists page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openstack
import pytest

from tests.interop.openstack.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openstack.network.v2._proxy import Proxy

    from vxnet.lab.apiserver import ApiServer

# openstacksdk warns of what itself does, and will do in another way in its next versions.
pytestmark = [
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]


@pytest.fixture
def network_api(server: ApiServer) -> Iterator[Proxy]:
    """Connect as the administrator."""
    auth = {"username": "admin", "password": PASSWORD, "endpoint": server.url}
    with openstack.connect(load_yaml_config=False, auth_type="http_basic", auth=auth) as connection:
        yield connection.network


def test_life_of_a_port(network_api: Proxy) -> None:
    """Create, find, change, and delete, with the objects in between."""
    network = network_api.create_network(name="sdk")
    subnet = network_api.create_subnet(network_id=network.id, ip_version=4, cidr="10.7.0.0/24", name="sdk4")
    port = network_api.create_port(network_id=network.id, name="sdk-port")
    assert port.fixed_ips == [{"subnet_id": subnet.id, "ip_address": "10.7.0.2"}]
    assert network_api.find_port("sdk-port") == port
    port = network_api.update_port(port, binding_host_id="h1", device_id="vm-1")
    assert [found.id for found in network_api.ports(device_id="vm-1")] == [port.id]
    with pytest.raises(openstack.exceptions.ConflictException):
        network_api.delete_network(network.id)
    network_api.delete_port(port.id)
    network_api.delete_network(network.id)
    assert network_api.find_network("sdk") is None


def test_pages(network_api: Proxy) -> None:
    """A list asked for by three at a time is all of it, once, in order."""
    made = [network_api.create_network(name=f"page-{n}", description="pages").id for n in range(8)]
    listed = [n.id for n in network_api.networks(description="pages", limit=3, sort_key="name", sort_dir="asc")]
    assert listed == made
    for name in made:
        network_api.delete_network(name)


def test_bulk_and_tags(network_api: Proxy) -> None:
    """Several at once, and tags that find them."""
    network = network_api.create_network(name="bulk")
    ports = list(network_api.create_ports([{"network_id": network.id, "name": f"b{n}"} for n in range(3)]))
    network_api.set_tags(ports[0], ["red", "blue"])
    assert [port.id for port in network_api.ports(tags="red")] == [ports[0].id]
    assert len(list(network_api.ports(network_id=network.id, not_tags="red"))) == 2
    for port in ports:
        network_api.delete_port(port)
    network_api.delete_network(network)
