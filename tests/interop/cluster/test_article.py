# SPDX-License-Identifier: Apache-2.0
"""The article's scenario by the real openstack client: 5000 networks, two tenants, three hosts, one address twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of three hosts that has 5000 networks."""
    with Lab.unique("article") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.put("/v2.0/quotas/admin", {"quota": {"network": -1}})
        for begin in range(0, 5000, 1000):
            cloud.post("/v2.0/networks", {"networks": [{"name": f"net{begin + n}"} for n in range(1000)]})
        for number in (1, 2):
            cloud.user(f"tenant{number}", f"project{number}")
        yield cloud


def test_two_tenants(cloud: Cloud) -> None:
    """Tenant 1 gets VNI 5001 and tenant 2 gets 5002; each pings its own machine, and never the other's."""
    machines = {name: cloud.machine(name) for name in ("a1", "b1", "a2", "b2", "c1")}
    vnis = []
    for number in (1, 2):
        user = f"tenant{number}"
        network = cloud.openstack("network", "create", "net", user=user)
        assert "provider:segmentation_id" not in {k for k, v in network.items() if v is not None}
        vnis.append(cloud.openstack("network", "show", network["id"])["provider:segmentation_id"])
        cloud.openstack("subnet", "create", "--network", "net", "--subnet-range", "10.0.0.0/24", "sub", user=user)
        for letter, host, address in (("a", "h1", "10.0.0.10"), ("b", "h2", "10.0.0.20")):
            name = f"{letter}{number}"
            port = cloud.openstack(
                "port", "create", "--network", "net", "--fixed-ip", f"subnet=sub,ip-address={address}", name, user=user
            )
            cloud.openstack("port", "set", "--host", host, port["id"])
            cloud.wait(lambda h=host, n=name: n in cloud.hosts[h].vxnet("port", "list").stdout, "the host to know")  # type: ignore[misc]
            cloud.hosts[host].plug(port["id"], machines[name])
            cloud.wait(lambda p=port["id"]: cloud.status(p) == "ACTIVE", "the port to be ACTIVE")  # type: ignore[misc]
    assert vnis == [5001, 5002]
    for number in (1, 2):
        assert machines[f"a{number}"].ping("10.0.0.20", count=3)
        assert machines[f"b{number}"].ping("10.0.0.10", count=3)
    assert not machines["a1"].ping("10.0.0.30", timeout=0.5)
    _only_one_has(cloud)
    _moves(cloud)
    assert "all hold the same" in cloud.check()


def _only_one_has(cloud: Cloud) -> None:
    """A machine of tenant 2 alone is out of tenant 1's reach, and its network out of tenant 1's sight."""
    name = cloud.openstack("port", "create", "--network", "net", "c2", user="tenant2")
    machine = cloud.machine("c2")
    cloud.openstack("port", "set", "--host", "h3", name["id"])
    cloud.wait(lambda: "c2" in cloud.hosts["h3"].vxnet("port", "list").stdout, "the host to know")
    cloud.hosts["h3"].plug(name["id"], machine)
    address = name["fixed_ips"][0]["ip_address"]
    assert cloud.lab["a2"].ping(address, count=3)
    assert not cloud.lab["a1"].ping(address, timeout=0.5)
    assert [network["Name"] for network in cloud.openstack("network", "list", user="tenant1")] == ["net"]


def _moves(cloud: Cloud) -> None:
    """A port that is bound to another host, and plugged there, answers from there."""
    port = next(p for p in cloud.openstack("port", "list", user="tenant1") if p["Name"] == "b1")["ID"]
    cloud.hosts["h2"].unplug(port)
    cloud.openstack("port", "set", "--host", "h3", port)
    cloud.wait(lambda: port in cloud.hosts["h3"].vxnet("port", "list").stdout, "the host to know")
    cloud.hosts["h3"].plug(port, cloud.lab["c1"])
    cloud.wait(lambda: cloud.lab["a1"].ping("10.0.0.20"), "the moved port to answer")
    assert cloud.lab["c1"].ping("10.0.0.10", count=3)
