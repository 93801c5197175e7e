# SPDX-License-Identifier: Apache-2.0
"""`vxnet port`: a namespace gets all that makes it the port's machine, or nothing; a VM gets its TAP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.clustered import Cluster, Machine, cluster_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests of this file, with an agent on h1 alone."""
    with cluster_in(tmp_path_factory.mktemp("plug"), agents=False) as built:
        built.h1.start()
        yield built


def links(cluster: Cluster) -> dict[str, Any]:
    """Return the links of h1 by name."""
    return {link["ifname"]: link for link in json.loads(cluster.h1.node.ip("-j", "-d", "link"))}


def inside(machine: Machine, *words: str) -> list[dict[str, Any]]:
    """Return what iproute2 says in a machine."""
    found: list[dict[str, Any]] = json.loads(machine.run("ip", "-j", *words))
    return found


def addresses(machine: Machine) -> set[str]:
    """Return the machine's global addresses on eth0."""
    (device,) = inside(machine, "address", "show", "dev", "eth0")
    return {f"{there['local']}/{there['prefixlen']}" for there in device["addr_info"] if there["scope"] == "global"}


def test_a_namespace_becomes_the_ports_machine(cluster: Cluster) -> None:
    """MAC, MTU, addresses of both families that are usable at once, routes and lo are as the cluster has them."""
    network = cluster.network(
        "10.0.0.0/24", host_routes=[{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}], gateway_ip="10.0.0.254"
    )
    six = {"network_id": network["id"], "cidr": "fd00:1::/64", "ip_version": 6}
    cluster.ask("POST", "subnets", {"subnet": six})
    port = cluster.port(network, "h1")
    machine = cluster.machine()
    told = cluster.h1.plug(port["id"][:13], machine)
    (link,) = inside(machine, "link", "show", "dev", "eth0")
    assert (link["address"], link["mtu"], "UP" in link["flags"]) == (port["mac_address"], network["mtu"], True)
    sizes = {4: 24, 6: 64}
    asked = {f"{ip}/{sizes[6 if ':' in ip else 4]}" for ip in (fixed["ip_address"] for fixed in port["fixed_ips"])}
    assert len(asked) == 2
    assert addresses(machine) == asked
    (device,) = inside(machine, "-6", "address", "show", "dev", "eth0")
    assert not any(there.get("tentative") for there in device["addr_info"] if there["scope"] == "global")
    routes = {route["dst"]: route.get("gateway") for route in inside(machine, "route")}
    assert routes == {"default": "10.0.0.254", "10.0.0.0/24": None, "10.9.0.0/16": "10.0.0.9"}
    assert ("default", "fd00:1::1") in {(r["dst"], r.get("gateway")) for r in inside(machine, "-6", "route")}
    assert "UP" in inside(machine, "link", "show", "dev", "lo")[0]["flags"]
    outer = links(cluster)[f"tap{port['id'][:11]}"]
    assert outer["ifalias"] == f"iface-id={port['id']}"
    assert outer["mtu"] == network["mtu"]
    assert told.split()[:4] == ["port", port["id"], "device", outer["ifname"]]
    cluster.wait_for(port, "ACTIVE")


def test_a_route_to_everywhere_goes_before_the_gateway(cluster: Cluster) -> None:
    """A subnet's own default route is the one that its machines get; a subnet without a gateway gives none."""
    routes = [{"destination": "0.0.0.0/0", "nexthop": "10.1.0.7"}]
    ports = [
        cluster.port(cluster.network("10.1.0.0/24", host_routes=routes), "h1"),
        cluster.port(cluster.network("10.1.0.0/24", gateway_ip=None), "h1"),
    ]
    machines = [cluster.machine() for _ in ports]
    for port, machine in zip(ports, machines, strict=True):
        cluster.h1.plug(port["id"], machine)
    defaults = [[r["gateway"] for r in inside(m, "route") if r["dst"] == "default"] for m in machines]
    assert defaults == [["10.1.0.7"], []]


def test_unplugged_and_plugged_again(cluster: Cluster) -> None:
    """The device goes, with its other end, and the port is DOWN; once more is no error; then it is elsewhere."""
    port = cluster.port(cluster.network("10.2.0.0/24"), "h1", name="web-2")
    one, two = cluster.machine(), cluster.machine()
    cluster.h1.plug("web-2", one)
    refused = cluster.h1.refused("port", "plug", "web-2", "--netns", two.name)
    assert refused == (
        f"port web-2 is plugged already, at device tap{port['id'][:11]}; `vxnet port unplug {port['id']}`"
    )
    assert cluster.h1.vxnet("port", "unplug", "web-2").stdout == ""
    assert [link["ifname"] for link in inside(one, "link")] == ["lo"]
    cluster.wait_for(port, "DOWN")
    cluster.h1.vxnet("port", "unplug", "web-2")
    cluster.h1.plug("web-2", two)
    assert addresses(two)


def test_a_namespace_that_is_gone(cluster: Cluster) -> None:
    """With it went the device: the port waits, unplugging it is no error, and it can be plugged elsewhere."""
    port = cluster.port(cluster.network("10.3.0.0/24"), "h1")
    one, two = cluster.machine(), cluster.machine()
    cluster.h1.plug(port["id"], one)
    one.delete()
    cluster.wait_for(port, "DOWN")
    cluster.h1.vxnet("port", "unplug", port["id"])
    cluster.h1.plug(port["id"], two)


def test_a_port_that_is_no_more_is_unplugged(cluster: Cluster) -> None:
    """What was plugged can be taken away, also when the agent knows nothing of the port any more."""
    port = cluster.port(cluster.network("10.4.0.0/24"), "h1")
    cluster.h1.plug(port["id"], cluster.machine())
    cluster.ask("DELETE", f"ports/{port['id']}")
    cluster.h1.vxnet("port", "unplug", port["id"])
    assert f"tap{port['id'][:11]}" not in links(cluster)


def test_a_tap_for_a_vm(cluster: Cluster) -> None:
    """It stays although nobody has it open, carries the port's MTU and alias, and the port forwards."""
    port = cluster.port(cluster.network("10.5.0.0/24"), "h1")
    told = cluster.h1.vxnet("port", "plug", port["id"], "--tap", "vm-5", "--json").stdout
    assert json.loads(told)["device"] == "vm-5"
    there = links(cluster)["vm-5"]
    assert there["linkinfo"]["info_data"]["type"] == "tap"
    assert there["linkinfo"]["info_data"]["persist"] is True
    assert there["ifalias"] == f"iface-id={port['id']}"
    cluster.wait_for(port, "ACTIVE")
    assert cluster.h1.ports()[port["id"]]["device"] == "vm-5"  # type: ignore[index]
    cluster.h1.vxnet("port", "unplug", port["id"])
    assert "vm-5" not in links(cluster)


def test_another_name_inside(cluster: Cluster) -> None:
    """A namespace may have several ports, each with its name, and be given by its path; it keeps its default route."""
    network = cluster.network("10.6.0.0/24")
    machine = cluster.machine()
    cluster.h1.plug(cluster.port(network, "h1")["id"], machine)
    routes = inside(machine, "route", "show", "default")
    second = cluster.port(network, "h1")["id"]
    where = ("--netns", f"/run/netns/{machine.name}")
    refused = cluster.h1.refused("port", "plug", second, *where)
    assert refused == f"namespace {where[1]} has a device eth0 already; choose another --device"
    cluster.h1.vxnet("port", "plug", second, *where, "--device", "net1")
    assert {link["ifname"] for link in inside(machine, "link")} == {"lo", "eth0", "net1"}
    assert inside(machine, "route", "show", "default") == routes


def test_what_is_refused_changes_nothing(cluster: Cluster) -> None:
    """One line says what is in the way and what to do; no device is left, here or there."""
    network = cluster.network("10.7.0.0/24")
    here, elsewhere = cluster.port(network, "h1", name="here-7"), cluster.port(network, "h2", name="far-7")
    machine = cluster.machine()
    before = links(cluster).keys()
    refused = cluster.h1.refused
    at = ("--netns", machine.name)
    assert refused("port", "plug", "far-7", *at) == (
        "port far-7 is not bound to this host; `openstack port set --host h1 far-7` binds it"
    )
    assert refused("port", "plug", elsewhere["id"], *at).startswith(f"port {elsewhere['id']} is not bound to this host")
    assert refused("port", "unplug", "far-7").startswith("port far-7 is not bound to this host")
    assert refused("port", "plug", "here-7", "--netns", "nowhere").startswith("there is no network namespace nowhere; ")
    assert refused("port", "plug", "here-7", "--netns", "/etc/hostname") == "/etc/hostname is no network namespace"
    assert "is no name of a device" in refused("port", "plug", "here-7", *at, "--device", "a/b")
    assert "is no name of a device" in refused("port", "plug", "here-7", "--tap", "tap%d")
    assert "is no name of a device" in refused("port", "plug", "here-7", "--tap", "x" * 16)
    assert "device eth0 exists already" in refused("port", "plug", "here-7", "--tap", "eth0")
    assert links(cluster).keys() == before
    assert [link["ifname"] for link in inside(machine, "link")] == ["lo"]
    assert cluster.status(here) == "DOWN"
    both = cluster.h1.vxnet("port", "plug", "here-7", *at, "--tap", "t", check=False)
    assert both.returncode == 2
    assert "give either --netns NAME or --tap NAME" in both.stderr


def test_what_fails_half_way_leaves_nothing(cluster: Cluster) -> None:
    """A route through a host that the machine cannot reach is named, and the devices that were made are gone."""
    routes = [{"destination": "10.99.0.0/16", "nexthop": "192.0.2.77"}]
    port = cluster.port(cluster.network("10.8.0.0/24", host_routes=routes), "h1")
    machine = cluster.machine()
    before = links(cluster).keys()
    refused = cluster.h1.refused("port", "plug", port["id"], "--netns", machine.name)
    assert refused == "the route to 10.99.0.0/16 via 192.0.2.77 cannot be set: Network is unreachable"
    assert links(cluster).keys() == before
    assert [link["ifname"] for link in inside(machine, "link")] == ["lo"]


def test_a_port_that_may_not_forward(cluster: Cluster) -> None:
    """Plugging it says why it does not forward, and the device stays: once it may, it does."""
    port = cluster.port(cluster.network("10.10.0.0/24"), "h1", admin_state_up=False)
    refused = cluster.h1.refused("port", "plug", port["id"], "--netns", cluster.machine().name)
    device = f"tap{port['id'][:11]}"
    assert refused == (
        f"device {device} is there, but port {port['id']} does not forward yet: its admin_state_up is false"
    )
    assert "waits: its admin_state_up is false" in cluster.h1.vxnet("port", "list").stdout
    cluster.update(port, admin_state_up=True)
    cluster.wait_for(port, "ACTIVE")


def test_without_an_agent(cluster: Cluster) -> None:
    """What is to be plugged is known to the agent alone, and the error says that none runs."""
    said = f"no vxnet agent runs at {cluster.h2.run_dir}; start it, or give its --run-dir"
    for words in (("list",), ("plug", "p", "--netns", "n"), ("unplug", "p")):
        assert cluster.h2.refused("port", *words) == said
