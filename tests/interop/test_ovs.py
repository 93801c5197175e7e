# SPDX-License-Identifier: Apache-2.0
"""vxnet and Open vSwitch's userspace datapath make two networks, with the same tenant addresses in both.

a 10.0.0.1 --tap-a-- [  h1:  ]                  [ h2: Open ] --tap-b-- b 10.0.0.2     blue, VNI 5001
c 10.0.0.1 --tap-c-- [ vxnet ] eth0 ------ eth0 [  vSwitch ] --tap-d-- d 10.0.0.2     red, VNI 16777215
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.interop.ovs_peer import OpenVSwitch
from tests.support.labs import H1, H2, two_hosts
from tests.support.running import Host
from tests.support.vteps import transfer
from vxnet.lab import Lab
from vxnet.model import VNI_MAX, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node, Ping

VNIS = {"blue": 5001, "red": VNI_MAX}
STATE = HostState(
    vtep=Vtep(local=H1),
    segments=tuple(Segment(name=name, vni=vni, remotes=(H2,)) for name, vni in VNIS.items()),
    ports=(Port(device="tap-a", segment="blue"), Port(device="tap-c", segment="red")),
)
MEGABYTE = 1 << 20


class Overlay(NamedTuple):
    """The lab drawn above after the first ping in each segment; ``ends``: the VMs of each, that of h1 first."""

    h1: Host
    h2: OpenVSwitch
    ends: dict[str, tuple[Node, Node]]
    first: dict[str, Ping]


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overlay]:
    """Build it; in blue vxnet's VM speaks first, in red the peer's."""
    folder = tmp_path_factory.mktemp("ovs")
    with Lab.unique("iopovs") as lab:
        node1, node2 = two_hosts(lab)
        a, c = (lab.vm(name, on=node1, address=["10.0.0.1/24", "fd00::1/64"]) for name in "ac")
        b, d = (lab.vm(name, on=node2, address=["10.0.0.2/24", "fd00::2/64"]) for name in "bd")
        ends = {"blue": (a, b), "red": (c, d)}
        h1, h2 = Host(node1, folder), OpenVSwitch(node2, folder / "ovs")
        for name, vni in VNIS.items():
            h2.segment(name, ends[name][1], vni=vni, remote=H1)
            for vm in ends[name]:
                # A VM leaves TCP's checksum and segments to the device. Nothing on a veth fills them in, and this
                # datapath takes packets as if they came from a wire.
                vm.run("ethtool", "-K", "eth0", "tx", "off")
        h1.up(STATE)
        lab.wait(lambda: node2.ping(H1, timeout=0.2), what="h2's address on its bridge")
        first = {"blue": a.ping(b), "red": d.ping(c)}
        yield Overlay(h1, h2, ends, first)
        h1.down()


@pytest.mark.parametrize("segment", VNIS)
def test_the_first_ping_is_answered(overlay: Overlay, segment: str) -> None:
    """Nothing is known on either side, and yet the first request is answered, whoever sends it."""
    assert overlay.first[segment]


@pytest.mark.parametrize("segment", VNIS)
def test_both_sides_learn(overlay: Overlay, segment: str) -> None:
    """Each side knows where both VMs of the segment are."""
    near, far = overlay.ends[segment]
    ours = {mac: row.port or str(row.remote) for mac, row in overlay.h1.fdb(segment).items()}
    assert ours == {near.mac: near.device, far.mac: str(H2)}
    assert overlay.h2.learned(segment) == {near.mac: f"vx-{segment}", far.mac: far.device}


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("segment", VNIS)
def test_pings_of_all_sizes(overlay: Overlay, segment: str, family: int) -> None:
    """Requests up to the tenants' MTU are answered in both directions."""
    near, far = overlay.ends[segment]
    for vm, other in ((near, far), (far, near)):
        for size in (0, 56, 1450 - (20, 40)[family] - 8):
            assert vm.ping(other.addresses[family], count=5, size=size)


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("direction", ["from-vxnet", "to-vxnet"])
def test_streams_stay_whole(overlay: Overlay, direction: str, family: int) -> None:
    """Megabytes of TCP arrive as they were sent."""
    near, far = overlay.ends["blue"]
    sender, receiver = (near, far) if direction == "from-vxnet" else (far, near)
    assert transfer(sender, receiver, receiver.addresses[family], 2 * MEGABYTE)


def test_the_vni_keeps_segments_apart(overlay: Overlay, tmp_path: Path) -> None:
    """Each segment's packets carry its VNI, both ways, and the same addresses in both do not meet."""
    sizes = {"blue": 100, "red": 200}
    with overlay.h1.node.capture("eth0", tmp_path / "vnis.pcapng", matching="udp port 4789") as capture:
        for segment, size in sizes.items():
            near, far = overlay.ends[segment]
            assert near.ping(far, size=size)
            assert far.ping(near, size=size)
    fields = ("ip.src", "vxlan.vni", "vxlan.flags", "data.len")
    seen = capture.fields(*fields, matching="vxlan and icmp")
    wanted = []
    for segment, size in sizes.items():
        row = str(VNIS[segment]), "0x0800", str(size)
        ways = (f"{H1},10.0.0.1", *row), (f"{H2},10.0.0.2", *row)
        wanted += [*ways, *reversed(ways)]
    assert seen == wanted
