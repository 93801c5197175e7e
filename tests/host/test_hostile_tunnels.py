# SPDX-License-Identifier: Apache-2.0
"""Tunnels that lie, in support/hostile.py's lab: one that sends all back, one that sends all on, a tenant's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.hostile import MALLORY, VNI, Net, frame, hostile
from tests.support.labs import H1, H2
from tests.support.repeated import repeated
from tests.support.victims import Victims, relaying, storm
from vxnet.lab import Lab, netns
from vxnet.packet.vxlan import encapsulate, onto_ethernet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.running import Host

FRAMES = 2000
INNER = "02:66:66:66:66:66"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build the lab."""
    with hostile(tmp_path_factory.mktemp("tunnels")) as net:
        yield net


@pytest.fixture
def net(built: Net) -> Net:
    """Return it as it is drawn, with nothing learned."""
    for host in (built.h1, built.h2):
        host.down()
    built.up()
    return built


def sent(host: Host) -> int:
    """Return how many packets a host has sent to the underlay."""
    return host.overview().segments[0].traffic.tx_packets


def received(host: Host) -> int:
    """Return how many a host has got from it."""
    return host.overview().segments[0].traffic.rx_packets


def given(host: Host, device: str) -> int:
    """Return how many frames a host has given to a port."""
    return next(port for port in host.overview().segments[0].ports if port.device == device).traffic.tx_packets


def test_a_remote_that_sends_all_back(net: Net) -> None:
    """What comes back goes to ports, once, and never out again; who it was from stays where it was, nothing lost."""
    with relaying(net.mallory, MALLORY), repeated(lambda: storm(net.a, [frame(net.a.mac)], 5)):
        with Victims("a remote sends all back, until it is found", net.a, net.b):
            Lab.wait(lambda: net.h1.fdb()[net.a.mac].duplicate, timeout=30, what="a to be found in two places")
        with Victims("a remote sends all back, from then on", net.a, net.b) as victims:
            victims.talk()
            victims.talk()
    assert victims.lost == 0
    assert net.h1.fdb()[net.a.mac].port == "tap-a"


def test_what_comes_back_does_not_go_round(net: Net) -> None:
    """Each broadcast leaves the host once for each remote, though one of them sends it back: there is no storm."""
    with relaying(net.mallory, MALLORY):
        before, back, heard = sent(net.h1), received(net.h1), given(net.h1, "tap-e2")
        storm(net.e, [frame(net.e.mac)], FRAMES)
        Lab.wait(lambda: received(net.h1) >= back + FRAMES, timeout=20, what="all to come back")
    assert FRAMES * 2 <= sent(net.h1) - before <= FRAMES * 2 + 20, "ARP, and no more"
    assert FRAMES * 2 <= given(net.h1, "tap-e2") - heard <= FRAMES * 2 + 20


def test_tunnels_that_are_a_loop(net: Net) -> None:
    """Where h1, h2 and mallory, who sends on, are a triangle, a frame goes over each side once and nowhere twice."""
    with relaying(net.mallory, MALLORY, str(H1), str(H2)):
        at_h1, at_h2, heard = sent(net.h1), sent(net.h2), given(net.h2, "tap-d")
        with Victims("tunnels that are a loop", net.a, net.b) as victims:
            storm(net.e, [frame(net.e.mac)], FRAMES)
            Lab.wait(lambda: given(net.h2, "tap-d") >= heard + 2 * FRAMES, timeout=20, what="both ways to be gone")
            victims.talk()
    assert victims.lost == 0
    own = victims.sent + 200  # and 100 pings while it was quiet, ARP, and the like
    assert sent(net.h1) - at_h1 <= 2 * FRAMES + own
    assert sent(net.h2) - at_h2 <= own
    assert given(net.h2, "tap-d") - heard <= 2 * FRAMES + 20
    assert str(net.h2.fdb()[net.e.mac].remote) == str(H1)


TO = {"its neighbour": "10.0.0.1", "this host": str(H1), "the other host": str(H2)}


@pytest.mark.parametrize("to", TO)
def test_a_tenants_vxlan_is_no_tunnel(net: Net, to: str) -> None:
    """VXLAN packets out of a port, as if from a known remote, to whatever MAC: nothing of what is in them gets out."""
    inner = frame(INNER, net.a.mac)
    packet = encapsulate(inner, vni=VNI, src=type(H1)(MALLORY), dst=type(H1)(TO[to]))
    with net.h1.node.enter():
        hosts_own = [netns.mac("eth0"), netns.mac("tap-e")]
    frames = [
        onto_ethernet(packet, src_mac=net.e.mac, dst_mac=mac)
        for mac in (*hosts_own, net.a.mac, net.b.mac, "ff:ff:ff:ff:ff:ff")
    ]
    before = received(net.h2)
    with Victims(f"a tenant's own VXLAN, to {to}", net.a, net.b) as victims:
        storm(net.e, frames, FRAMES * len(frames))
        victims.talk()
    assert victims.lost == 0
    assert received(net.h2) > before, "to b, as any frame"
    assert INNER not in {*net.h1.fdb(), *net.h2.fdb()}
    assert net.h1.fdb()[net.e.mac].port == "tap-e"
