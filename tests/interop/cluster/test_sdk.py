# SPDX-License-Identifier: Apache-2.0
"""The article's scenario from Python: openstacksdk makes networks, binds ports to hosts, and machines talk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openstack
import pytest

from vxnet.lab import Lab
from vxnet.lab.cloud import PASSWORD, Cloud

if TYPE_CHECKING:
    from pathlib import Path

# openstacksdk warns of what itself does, and will do in another way in its next versions.
pytestmark = [
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

ADDRESSES = {"h1": "10.0.0.10", "h2": "10.0.0.20"}


def connected(cloud: Cloud, user: str) -> Any:
    """Return openstacksdk's connection of a user, who must be on the control host."""
    auth = {"username": user, "password": PASSWORD, "endpoint": cloud.server.url}
    return openstack.connect(load_yaml_config=False, auth_type="http_basic", auth=auth)


def test_two_tenants(tmp_path: Path) -> None:
    """Two projects have a network each, with the same addresses; each reaches its own machine, then where it moved."""
    with Lab.unique("sdk") as lab, Cloud(lab, tmp_path, 2, arguments=("--vni-range", "5001-5002")) as cloud:
        ports = {number: _tenant(cloud, number) for number in (1, 2)}
        for number in (1, 2):
            assert lab[f"m{number}h1"].ping(ADDRESSES["h2"], count=3)
        with cloud.control.enter(), connected(cloud, "admin") as admin:
            vnis = {network.provider_segmentation_id for network in admin.network.networks()}
            assert vnis == {5001, 5002}
            cloud.hosts["h1"].unplug(ports[1]["h1"])
            admin.network.update_port(ports[1]["h1"], binding_host_id="h2")
        moved = cloud.machine("moved")
        _plug(cloud, "h2", ports[1]["h1"], "moved")
        assert moved.ping(ADDRESSES["h2"], count=3)
        assert not lab["m1h1"].ping(ADDRESSES["h2"], timeout=0.3)
        assert "2 networks, 4 ports; 1 server, 2 hosts: all hold the same" in cloud.check()


def _tenant(cloud: Cloud, number: int) -> dict[str, str]:
    """Let a tenant make a network with a port for each host, and plug machines in; return the ports' ids by host."""
    user, ports = f"tenant{number}", {}
    cloud.user(user, f"project{number}")
    with cloud.control.enter(), connected(cloud, user) as tenant, connected(cloud, "admin") as admin:
        network = tenant.network.create_network(name="blue")
        subnet = tenant.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
        for host, address in ADDRESSES.items():
            fixed = [{"subnet_id": subnet.id, "ip_address": address}]
            port = tenant.network.create_port(network_id=network.id, fixed_ips=fixed)
            admin.network.update_port(port.id, binding_host_id=host)
            ports[host] = port.id
    for host, port_id in ports.items():
        cloud.machine(f"m{number}{host}")
        _plug(cloud, host, port_id, f"m{number}{host}")
    return ports


def _plug(cloud: Cloud, host: str, port: str, machine: str) -> None:
    cloud.wait(lambda: port in cloud.hosts[host].vxnet("port", "list").stdout, "the host to know of the port")
    cloud.hosts[host].plug(port, cloud.lab[machine])
    cloud.wait(lambda: cloud.status(port) == "ACTIVE", "the port to be ACTIVE")
