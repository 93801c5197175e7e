# SPDX-License-Identifier: Apache-2.0
"""Remotes that are watched by BFD, on real packets: found dead and alive again, shown, and left out where asked for.

a --tap-a-- [ h1 .131 ] eth0 ------------- eth0 [ h2 .136 ] --tap-b-- b
"""

from __future__ import annotations

import json
import signal
import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.labs import H1, H1_6, H2, H2_6, unreachable
from tests.support.watched import PATIENCE, Watched, change, members_of_list, row_of, said_of, watching
from vxnet.daemon import control
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.packet import vxlan
from vxnet.packet.bfd import Bfd as Packet
from vxnet.packet.bfd import State, frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node
    from vxnet.model import IPAddress

STRANGER = IPv4Address("192.168.146.99")
MAC = "02:00:00:00:00:99"
PACKET = Packet(state=State.DOWN, my_discriminator=7, detect_mult=3, min_tx=1_000_000, min_rx=1_000_000)


@pytest.fixture(scope="module")
def lab_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The lab, for all tests of this file."""
    with Lab.unique("vxlive") as lab:
        yield Watched(lab, tmp_path_factory.mktemp("liveness"))


@pytest.fixture
def net(lab_net: Watched) -> Iterator[Watched]:
    """The lab with both hosts down, before and after."""
    yield lab_net
    lab_net.down()


def test_both_are_up_and_it_is_shown(net: Watched) -> None:
    """Three packets each way and both are up; people, programs and counters tell so, and the log once."""
    net.up()
    assert "  remote: 192.168.146.136, up for " in net.h1.vxnet("show").stdout
    said = said_of(net.h1, H2)
    assert [said["state"]] == [
        row["state"] for row in json.loads(net.h1.vxnet("show", "--json").stdout)["daemon"]["remotes"]
    ]
    assert (said["state"], said["remote_state"], said["dead"], said["downs"]) == ("up", "up", False, 0)
    assert said["sent"] >= 2 <= said["received"]
    assert net.h1.log().count("remote 192.168.146.136: up\n") == 1
    assert json.loads(net.h1.vxnet("stats", "--json").stdout)["remotes"][0]["address"] == str(H2)
    assert "192.168.146.136  bfd  up " in net.h1.vxnet("stats").stdout
    assert net.a.ping(net.b)


def test_on_the_wire(net: Watched, tmp_path: Path) -> None:
    """RFC 8971 as others read it: management VNI 1, the assigned MAC, loopback, TTL 255, port 3784, both ends up."""
    net.up()
    with net.node1.capture("eth0", tmp_path / "bfd.pcapng", matching="udp port 4789") as capture:
        before = said_of(net.h1, H2)["received"]
        wait_until(lambda: said_of(net.h1, H2)["received"] > before + 3, timeout=PATIENCE, what="packets")
    fields = ("ip.src", "vxlan.vni", "eth.dst", "ip.dst", "ip.ttl", "udp.dstport", "bfd.version", "bfd.sta")
    rows = set(capture.fields(*fields, matching="vxlan and bfd"))
    outer = {row[0].split(",")[0] for row in rows}
    assert outer == {str(H1), str(H2)}
    for row in rows:
        source, vni, macs, dst, ttl, ports, version, state = row
        assert source.split(",")[0] == source.split(",")[1], "the inner source is the VTEP's address, too"
        assert (vni, macs.split(",")[1], dst.split(",")[1]) == ("1", "00:00:5e:00:52:02", "127.0.0.1")
        assert (ttl, ports, version, state) == ("64,255", "4789,3784", "1", "0x03")
    bad = capture.fields(
        "ip.src", matching="vxlan and (ip.checksum.status == 0 or udp.checksum.status == 0 or _ws.malformed)"
    )
    assert bad == []


def test_who_floods_with_words_is_not_listened_to(net: Watched) -> None:
    """A remote that says thousands of things a second keeps the daemon from nothing: the rest of it is a storm."""
    net.up()
    before = said_of(net.h1, H2)
    flood(net.node2, H2, frame(PACKET, src=H2, src_mac=MAC), 5000)
    after = said_of(net.h1, H2)
    taken = sum(after[what] - before[what] for what in ("received", "discarded"))
    stopped = net.h1.overview().drops["storm"]
    assert stopped > 4000
    assert taken < 5000 - stopped + 100
    net.until(net.h1, H2, state="up")


@pytest.mark.parametrize("asked", [False, True], ids=["flooded", "left-out"])
def test_a_cut_link(net: Watched, *, asked: bool) -> None:
    """Nothing comes any more: dead, said once, and left out of the flood list only where asked; all back afterwards."""
    net.up(flood_to_dead=not asked)
    with net.cut():
        net.until(net.h1, H2, state="down", dead=True, downs=1)
        if asked:
            wait_until(lambda: members_of_list(net.h1) == [False], timeout=PATIENCE, what="a list without it")
            assert "192.168.146.136, dead for" in net.h1.vxnet("show").stdout
            assert "left out of flooding" in net.h1.vxnet("show").stdout
            assert unreachable(net.a, net.b)  # a question that nobody is asked
            assert net.h1.overview().segments[0].traffic.tx_packets == 0
        assert row_of(net.h1, H2)["dead"] is asked
        assert row_of(net.h1, H2)["flood"] is not asked
        assert members_of_list(net.h1) == [not asked]
        assert members_of_list(net.h2) == [True], "h2 has not asked"
        assert net.h1.vxnet(
            "plan", str(net.h1.file(change(watching(H1, H2, "tap-a"), flood_to_dead=not asked)))
        ).stdout == ("nothing to change\n")
    net.until(net.h1, H2, state="up", dead=False)
    wait_until(lambda: members_of_list(net.h1) == [True], timeout=PATIENCE, what="a whole list")
    assert net.h1.log().count("remote 192.168.146.136: dead: nothing is heard from it\n") == 1
    assert net.a.ping(net.b)


def test_one_direction_is_no_path(net: Watched) -> None:
    """h2 does not hear h1, and says so: h1 takes it for dead though it hears it."""
    net.up()
    with net.cut(one_way=True):
        net.until(net.h2, H1, dead=True)
        net.until(net.h1, H2, dead=True)
    assert "dead: it says that it does not hear this host\n" in net.h1.log()
    net.until(net.h1, H2, state="up", dead=False)


def test_a_daemon_that_ends_is_not_dead(net: Watched) -> None:
    """Its sessions are closed, and its kernel forwards: nobody takes the host for dead."""
    net.up(flood_to_dead=False)
    net.h2.kill(signal.SIGTERM)
    said = net.until(net.h1, H2, state="down", remote_state="admin-down")
    assert (said["dead"], said["downs"]) == (False, 1)
    assert members_of_list(net.h1) == [True]
    assert net.a.ping(net.b)
    assert "192.168.146.136, its BFD is closed" in net.h1.vxnet("show").stdout


def test_who_was_never_up_is_not_dead(net: Watched) -> None:
    """A remote that speaks no BFD, as Linux's VXLAN device, gets its BUM."""
    net.up(h2=False, flood_to_dead=False)
    net.until(net.h1, H2, state="down", dead=False)
    wait_until(lambda: said_of(net.h1, H2)["sent"] >= 2, timeout=PATIENCE, what="packets")
    assert members_of_list(net.h1) == [True]
    assert "192.168.146.136, no BFD heard" in net.h1.vxnet("show").stdout


def test_the_next_daemon_goes_on(net: Watched) -> None:
    """Killed while a remote is dead: the kernel goes on leaving it out, and the next daemon takes that over."""
    net.up(flood_to_dead=False)
    with net.cut():
        net.until(net.h1, H2, dead=True)
        wait_until(lambda: members_of_list(net.h1) == [False], timeout=PATIENCE, what="a list without it")
        net.h1.kill()
        assert row_of(net.h1, H2)["dead"] is True
        net.h1.vxnet("up", str(net.h1.file(change(watching(H1, H2, "tap-a"), flood_to_dead=False))))
        assert net.until(net.h1, H2, state="down")["dead"] is True
        assert members_of_list(net.h1) == [False]
    net.until(net.h1, H2, state="up", dead=False)
    wait_until(lambda: members_of_list(net.h1) == [True], timeout=PATIENCE, what="a whole list")


def test_thousand_segments_one_session(net: Watched) -> None:
    """Sessions are with remotes, not with segments."""
    state = watching(H1, H2, "tap-a")
    more = tuple(replace(state.segments[0], name=f"s{n}", vni=1000 + n) for n in range(1000))
    net.h1.up(replace(state, segments=(*state.segments, *more)))
    net.h2.up(watching(H2, H1, "tap-b"))
    net.until(net.h1, H2, state="up")
    daemon = control.status(net.h1.run_dir)
    assert daemon
    assert len(daemon.remotes) == 1


def test_over_ipv6(net: Watched) -> None:
    """The same through an IPv6 underlay."""
    net.h1.up(watching(H1_6, H2_6, "tap-a"))
    net.h2.up(watching(H2_6, H1_6, "tap-b"))
    net.until(net.h1, H2_6, state="up", remote_state="up")
    with net.cut():
        net.until(net.h1, H2_6, dead=True)


def test_other_settings_while_it_is_up(net: Watched) -> None:
    """Intervals change by a poll: the session stays up."""
    net.up()
    state = watching(H1, H2, "tap-a")
    assert state.bfd
    net.h1.up(replace(state, bfd=replace(state.bfd, min_tx=400, min_rx=1000, detect_mult=5)))
    net.h1.up(replace(state, bfd=replace(state.bfd, min_tx=100)))
    before = said_of(net.h1, H2)
    wait_until(lambda: said_of(net.h1, H2)["sent"] > before["sent"] + 10, timeout=PATIENCE, what="packets")
    assert [said_of(host, at)["downs"] for host, at in ((net.h1, H2), (net.h2, H1))] == [0, 0]
    net.h1.up(replace(state, bfd=None))
    net.until(net.h2, H1, remote_state="admin-down", dead=False)
    assert net.h1.vnis() == {10}


def test_another_management_vni(net: Watched) -> None:
    """It is made anew with another VNI; only who has the same one is heard."""
    net.up()
    one, two = watching(H1, H2, "tap-a"), watching(H2, H1, "tap-b")
    assert one.bfd
    net.h1.up(replace(one, bfd=replace(one.bfd, vni=16777215)))
    assert net.h1.vnis() == {10, 16777215}
    net.until(net.h2, H1, state="down")
    assert two.bfd
    net.h2.up(replace(two, bfd=replace(two.bfd, vni=16777215)))
    net.until(net.h1, H2, state="up")


def test_forged_packets(net: Watched) -> None:
    """Packets of others, with a lower TTL, or with a discriminator that was guessed, change nothing."""
    net.up(h2=False)
    mine = net.until(net.h1, H2, state="down")
    net.node2.ip(f"address add {STRANGER}/24 dev eth0")
    guessed = replace(PACKET, state=State.INIT, your_discriminator=1)
    whole = frame(PACKET, src=H2, src_mac=MAC)
    routed = frame(PACKET, src=H2, src_mac=MAC).replace(
        b"\xff\x11", b"\xfe\x11", 1
    )  # and so the checksum is wrong, too
    send(net.node2, STRANGER, whole)
    send(net.node2, H2, frame(guessed, src=H2, src_mac=MAC))
    send(net.node2, H2, routed)
    send(net.node2, H2, whole[:60])
    said = net.until(net.h1, H2, discarded=3)
    assert (said["state"], said["received"], mine["received"]) == ("down", 0, 0)
    assert net.h1.overview().drops["unknown-remote"] == 1
    send(net.node2, H2, whole)
    net.until(net.h1, H2, state="init", received=1)  # which is no proof yet that it hears us
    assert net.h1.overview().drops["unknown-vni"] == 0


def send(node: Node, source: IPAddress, inner: bytes) -> None:
    """Send a frame in the management VNI from an address of the node."""
    with node.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((str(source), 0))
        sender.sendto(vxlan.Vxlan(vni=1, payload=inner).encode(), (str(H1), 4789))


def flood(node: Node, source: IPAddress, inner: bytes, times: int) -> None:
    """Send it so many times, as fast as can be."""
    with node.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((str(source), 0))
        packet = vxlan.Vxlan(vni=1, payload=inner).encode()
        for _ in range(times):
            sender.sendto(packet, (str(H1), 4789))


def test_nothing_of_it_reaches_a_tenant(net: Watched, tmp_path: Path) -> None:
    """RFC 8971, section 4: the management VNI is no network of anybody's."""
    net.up()
    with net.a.capture("eth0", tmp_path / "tenant.pcapng", matching="udp port 3784") as capture:
        send(net.node2, H2, b"\xff" * 6 + frame(PACKET, src=H2, src_mac=MAC)[6:])
        before = said_of(net.h1, H2)["received"]
        wait_until(lambda: said_of(net.h1, H2)["received"] > before + 2, timeout=PATIENCE, what="packets")
    assert capture.fields("ip.src") == []
