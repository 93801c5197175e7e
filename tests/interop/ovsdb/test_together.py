# SPDX-License-Identifier: Apache-2.0
"""Two hosts told the same by `ovs-vsctl`, one with the real ovs-vswitchd, in several VNIs with the same addresses.

a1 10.0.0.1 --[ h1: Open  ]                   [ h2: a kind ]-- b1 10.0.0.2     VNI 1
a2 10.0.0.1 --[  vSwitch  ] br-phy --- br-phy [ of switch  ]-- b2 10.0.0.2     VNI 5001, tagged 7 in both bridges
a3 10.0.0.1 --[           ]                   [            ]-- b3 10.0.0.2     VNI 16777215
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.vteps import transfer
from vxnet.lab import Lab
from vxnet.lab.vswitch import OVS, VSwitch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

ADDRESSES = {"h1": IPv4Address("192.168.146.131"), "h2": IPv4Address("192.168.146.136")}
VNIS = {1: 1, 2: 5001, 3: (1 << 24) - 1}
SIZES = {number: 100 * number for number in VNIS}
TAG = {2: "tag=7"}
MTU = 1500 - 50 - 4
"""The underlay's, less the outer headers and a tag."""


class Pair(NamedTuple):
    """The lab drawn above; ``ends``: the VMs of each network, that of h1 first."""

    lab: Lab
    switches: dict[str, VSwitch]
    ends: dict[int, tuple[Node, Node]]


@pytest.fixture(scope="module")
def pair(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Build it, and wait until each VM reaches its other end."""
    folder = tmp_path_factory.mktemp("together")
    with Lab.unique("together") as lab:
        hosts = {name: lab.host(name, f"{address}/24") for name, address in ADDRESSES.items()}
        lab.link(*hosts.values())
        ends = {
            number: (
                lab.vm(f"a{number}", on="h1", address="10.0.0.1/24", mtu=MTU),
                lab.vm(f"b{number}", on="h2", address="10.0.0.2/24", mtu=MTU),
            )
            for number in VNIS
        }
        switches = {name: VSwitch(hosts[name], folder / name, of) for name, of in (("h1", OVS), ("h2", kind))}
        for side, (name, switch) in enumerate(switches.items()):
            switch.start()
            other = ADDRESSES["h2" if name == "h1" else "h1"]
            words = ["ovs-vsctl add-br br-phy -- add-port br-phy eth0"]
            for number, vni in VNIS.items():
                tunnel = f"type=vxlan options:remote_ip={other} options:key={vni}"
                port = f"-- add-port br{number} {ends[number][side].device} {TAG.get(number, '')}"
                words.append(f"-- add-br br{number} {port} -- add-port br{number} vx{number}")
                words.append(f"-- set interface vx{number} {tunnel}")
            switch.script(f"""
                {" ".join(words)}
                ip address flush dev eth0
                ip link set br-phy up
                ip address add {ADDRESSES[name]}/24 dev br-phy
            """)
        for near, far in ends.values():
            for vm in (near, far):  # nothing on a veth fills in the checksum that TCP leaves to the device
                vm.run("ethtool", "-K", "eth0", "tx", "off")
            for one, other_end in ((near, far), (far, near)):
                lab.wait(partial(one.ping, other_end, timeout=0.5), timeout=10.0, what=f"{one.name} to be answered")
        yield Pair(lab, switches, ends)


def test_several_networks_at_once(pair: Pair, tmp_path: Path) -> None:
    """Each network's frames carry its VNI, and its tag where the port is a trunk; none comes out in another."""
    with pair.lab["h1"].capture("eth0", tmp_path / "vnis.pcapng", matching="udp port 4789") as capture:
        for number, (near, far) in pair.ends.items():
            assert near.ping(far, count=3, size=SIZES[number])
            assert far.ping(near, count=3, size=SIZES[number])
    seen = set(capture.fields("vxlan.vni", "vlan.id", "data.len", matching="icmp"))
    tags = {2: "7"}
    assert seen == {(str(VNIS[number]), tags.get(number, ""), str(SIZES[number])) for number in VNIS}


@pytest.mark.parametrize("way", ["to-kind", "from-kind"])
def test_streams_stay_whole(pair: Pair, way: str) -> None:
    """A megabyte of TCP arrives as it was sent, in the tagged network too."""
    for near, far in pair.ends.values():
        sender, receiver = (near, far) if way == "to-kind" else (far, near)
        assert transfer(sender, receiver, receiver.address, 1 << 20)
