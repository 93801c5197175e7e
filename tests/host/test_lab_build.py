# SPDX-License-Identifier: Apache-2.0
"""The lab on a real kernel: what it builds works: hosts, routers, switches, VMs."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.labs import EXAMPLES, left_of, two_hosts
from vxnet.lab import Lab
from vxnet.lab.ready import wait_ready
from vxnet.lab.steps import Ip

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["two-hosts", "three-vteps", "routed", "tenants"])
def test_examples(name: str) -> None:
    """In each example every host reaches every other, and no VM another, for nothing joins them yet."""
    unique = Lab.unique("labtest7k").name
    with Lab.load(EXAMPLES / f"{name}.lab.toml", name=unique) as lab:
        hosts = [node for node in lab if node.role == "host"]
        vms = [node for node in lab if node.role == "vm"]
        assert all(one.ping(other) for one in hosts for other in hosts)
        assert not any(one.ping(other, timeout=0.05) for one in vms for other in vms if one.address != other.address)
    assert left_of(lab) == []


def test_router_forwards(lab: Lab) -> None:
    """Hosts in two subnets reach each other through a router, which counts one hop."""
    h1 = lab.host("h1", "192.168.146.131/24", gateway="192.168.146.2")
    h2 = lab.host("h2", "192.168.147.136/24", gateway="192.168.147.2")
    router = lab.router("r1", ["192.168.146.2/24", "192.168.147.2/24"])
    lab.link(h1, router)
    lab.switch("s", router, h2)
    assert h1.ping(h2, count=3)
    lab["r1"].run("sysctl -qw net.ipv4.ip_forward=0")
    assert not h1.ping(h2, timeout=0.1)


def test_vm_and_its_device(lab: Lab) -> None:
    """A VM has the MAC, address and MTU it was given, its device in the host is up, and frames pass between them."""
    h1, _ = two_hosts(lab)
    a = lab.vm("a", on=h1, address="10.0.0.1/24", mac="02:00:00:00:00:AA", device="blue0", mtu=1400)
    assert (a.device, a.mac, str(a.address)) == ("blue0", "02:00:00:00:00:aa", "10.0.0.1")
    link = json.loads(a.ip("-j link show eth0"))[0]
    assert (link["mtu"], link["address"]) == (1400, "02:00:00:00:00:aa")
    h1.ip("address add 10.0.0.9/24 dev blue0")
    assert a.ping("10.0.0.9")
    assert a.ping("10.0.0.9", size=1400 - 28, df=True)
    assert not a.ping("10.0.0.9", size=1400 - 27, df=True)


def test_vms_may_overlap(lab: Lab) -> None:
    """VMs of one host may have the same IP and MAC addresses."""
    h1, _ = two_hosts(lab)
    one, other = (lab.vm(name, on="h1", address="10.0.0.1/24") for name in ("a1", "a2"))
    assert one.mac == other.mac == "02:00:0a:00:00:01"
    assert {one.device, other.device} <= {link["ifname"] for link in json.loads(h1.ip("-j link"))}


def test_ipv6(lab: Lab) -> None:
    """IPv6 addresses are usable at once."""
    h1 = lab.host("h1", ["192.168.146.131/24", "fd00:146::131/64"])
    h2 = lab.host("h2", ["fd00:146::136/64", "192.168.146.136/24"])
    lab.switch("s", h1, h2)
    assert h1.ping("fd00:146::136")
    assert h2.ping("192.168.146.131")


def test_ready_means_both_ends(lab: Lab) -> None:
    """Building does not go on before a device carries packets: here, not before its other end is up."""
    h1, _ = two_hosts(lab)
    h1.ip("link add near type veth peer name far")
    h1.ip("link set near up")
    waiting = threading.Thread(target=wait_ready, args=([Ip(h1.namespace, ("link", "set", "near", "up"))],))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    h1.ip("link set far up")
    waiting.join(5)
    assert not waiting.is_alive()


def test_links_are_quiet(lab: Lab, tmp_path: Path) -> None:
    """Nothing is on a link that nobody sent: no IPv6 multicast reports, no router solicitations."""
    h1, h2 = two_hosts(lab)
    h1.ip("link set eth0 down")
    with lab.capture(h2, "eth0", tmp_path / "quiet.pcapng") as capture:
        h1.ip("link set eth0 up")
        h1.wait(lambda: h1.ping(h2), what="the link to come back")
    assert {protocol for (protocol,) in capture.fields("frame.protocols")} <= {
        "eth:ethertype:arp",
        "eth:ethertype:ip:icmp:data",
    }
