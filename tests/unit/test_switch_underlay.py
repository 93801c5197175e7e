# SPDX-License-Identifier: Apache-2.0
"""The reference switch: a packet from the underlay."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.frames import (
    GROUP,
    GROUP_MAC,
    LOCAL,
    MAC_A,
    MAC_B,
    MAC_C,
    OTHER_REMOTE,
    REMOTE,
    frame,
    from_remote,
    udp_frame,
)
from vxnet.drops import drop_reason
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet import ethernet, ip, udp, vxlan
from vxnet.packet.mac import BROADCAST, ZERO
from vxnet.switch.outcome import LEFT_TO_HOST, Outcome, ToPort
from vxnet.switch.switch import Switch

GREEN_GROUP = IPv4Address("239.1.1.2")
GOOD = from_remote(frame(MAC_B, BROADCAST))


def switch(*, ports: tuple[str, ...] = ("tap0", "tap1"), fdb: tuple[FdbEntry, ...] = ()) -> Switch:
    """Return a switch with segment blue (VNI 10, GROUP) and its ports, and green (VNI 20, GREEN_GROUP) with none."""
    return Switch(
        HostState(
            vtep=Vtep(local=LOCAL),
            segments=(
                Segment(name="blue", vni=10, group=GROUP),
                Segment(name="green", vni=20, group=GREEN_GROUP),
                Segment(name="red", vni=30, remotes=(REMOTE,)),
            ),
            ports=tuple(Port(device=device, segment="blue") for device in ports),
            fdb=fdb,
        )
    )


def dropped(reason: str) -> Outcome:
    """Return the outcome with nothing but this drop reason."""
    return Outcome((), drop_reason(reason))


def with_bytes(at: int, value: bytes, packet: bytes = GOOD) -> bytes:
    """Return the packet with other bytes at one place, its IPv4 header checksum made right again."""
    packet = packet[:at] + value + packet[at + len(value) :]
    header = packet[14:24] + b"\0\0" + packet[26:34]
    total = sum(int.from_bytes(header[i : i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return packet[:24] + (total ^ 0xFFFF).to_bytes(2, "big") + packet[26:]


@pytest.mark.parametrize("dst", [BROADCAST, GROUP_MAC, MAC_A])
def test_bum_goes_to_every_port(dst: str) -> None:
    """Rule 4: all local ports, and never back to the underlay."""
    sent = frame(MAC_B, dst)
    assert switch().from_underlay(from_remote(sent), 0) == Outcome((ToPort("tap0", sent), ToPort("tap1", sent)))


def test_known_unicast_goes_to_its_port() -> None:
    """Rule 3: one place."""
    host = switch()
    host.from_port("tap1", frame(MAC_A, BROADCAST), 0)
    sent = frame(MAC_B, MAC_A)
    assert host.from_underlay(from_remote(sent), 1) == Outcome((ToPort("tap1", sent),))


@pytest.mark.parametrize("src", [REMOTE, OTHER_REMOTE])
def test_split_horizon(src: IPv4Address) -> None:
    """Rule 3: what is behind a remote, this one or another, gets nothing from the underlay."""
    host = switch()
    host.from_underlay(from_remote(frame(MAC_B, BROADCAST)), 0)
    assert host.from_underlay(from_remote(frame(MAC_C, MAC_B), src=src), 1) == dropped("SPLIT_HORIZON")


def test_drop_for_want_of_ports_still_teaches() -> None:
    """The article's VTEP-3: no machine in the segment, but it keeps what it learned."""
    host = switch(ports=())
    assert host.from_underlay(GOOD, 0) == dropped("NO_DESTINATION")
    assert [(row.mac, row.where) for row in host.fdb()] == [(MAC_B, REMOTE)]


@pytest.mark.parametrize("src", [ZERO, BROADCAST, GROUP_MAC])
def test_bad_source(src: str) -> None:
    """Rule 2: zero and group source MACs are dropped and teach nothing; a tag does not change that."""
    host = switch()
    tagged = frame(src, BROADCAST, tags=(ethernet.VlanTag(vid=7),))
    assert host.from_underlay(from_remote(frame(src, BROADCAST)), 0) == dropped("BAD_SOURCE")
    assert host.from_underlay(from_remote(tagged), 0) == dropped("BAD_SOURCE")
    assert host.fdb() == ()


@pytest.mark.parametrize("tpid", [ethernet.DOT1Q, ethernet.DOT1AD])
def test_any_inner_tag_is_dropped(tpid: int) -> None:
    """Rule 6: a decapsulated frame with a tag is discarded (RFC 7348, section 6.1) and teaches nothing."""
    host = switch()
    tagged = frame(MAC_B, BROADCAST, tags=(ethernet.VlanTag(vid=7, tpid=tpid),))
    assert host.from_underlay(from_remote(tagged), 0) == dropped("VLAN_TAG")
    assert host.fdb() == ()


def test_vni_counts_at_our_address_whatever_the_group() -> None:
    """Rule 1: at our own address every segment of ours receives."""
    for vni in (10, 20, 30):
        assert switch().from_underlay(from_remote(udp_frame(), vni=vni), 0).drop != drop_reason("UNKNOWN_VNI")
    assert switch().from_underlay(from_remote(udp_frame(), vni=11), 0) == dropped("UNKNOWN_VNI")


def test_vni_and_group_belong_together() -> None:
    """Rule 1: at a group, only the segment that has both this group and this VNI receives."""
    sent = frame(MAC_B, BROADCAST)
    assert len(switch().from_underlay(from_remote(sent, dst=GROUP), 0).copies) == 2
    for vni in (20, 30, 999):
        assert switch().from_underlay(from_remote(sent, vni=vni, dst=GROUP), 0) == dropped("UNKNOWN_VNI")


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(from_remote(udp_frame(), dst=OTHER_REMOTE), id="another host's address"),
        pytest.param(from_remote(udp_frame(), dst=IPv4Address("239.9.9.9")), id="a group of nobody here"),
        pytest.param(from_remote(udp_frame(), dst_port=4790), id="another UDP port"),
        pytest.param(from_remote(udp_frame(), src=LOCAL), id="claims to come from us"),
        pytest.param(with_bytes(23, b"\x06"), id="TCP"),
        pytest.param(with_bytes(20, b"\x20\x00"), id="first fragment"),
        pytest.param(with_bytes(20, b"\x00\x10"), id="later fragment"),
        pytest.param(GOOD[:41], id="no whole UDP header"),
        pytest.param(frame(MAC_A, MAC_B), id="not IP"),
    ],
)
def test_left_to_the_host(packet: bytes) -> None:
    """What is not ours, or not for us to judge, is left alone: not forwarded, not learned from, not counted."""
    host = switch()
    assert host.from_underlay(packet, 0) == LEFT_TO_HOST
    assert host.fdb() == ()
    assert not host.drops
    assert host.tunnel_traffic["blue"].rx_packets == 0


def test_right_udp_checksum_is_taken() -> None:
    """RFC 7348, section 5: a checksum that is there and right is as good as none."""
    inner = frame(MAC_B, BROADCAST)
    datagram = udp.Udp(src_port=50000, dst_port=4789, payload=vxlan.Vxlan(vni=10, payload=inner).encode())
    packet = ip.IPv4(src=REMOTE, dst=LOCAL, protocol=ip.UDP, payload=datagram.with_checksum(REMOTE, LOCAL).encode())
    outer = vxlan.onto_ethernet(packet.encode(), src_mac=MAC_C, dst_mac=MAC_A)
    assert len(switch().from_underlay(outer, 0).copies) == 2
    padding = b"behind the packet"
    assert len(switch().from_underlay(outer + padding, 0).copies) == 2


def test_reserved_bits_are_ignored() -> None:
    """RFC 7348, section 5: reserved flags and fields, outer TOS, TTL and identification do not matter."""
    sent = with_bytes(
        42, b"\xff\xff\xff\xff", with_bytes(49, b"\xff", with_bytes(15, b"\xff", with_bytes(22, b"\x01")))
    )
    assert switch().from_underlay(sent, 0) == switch().from_underlay(GOOD, 0)


NO_FLAG = with_bytes(42, b"\0")
UNKNOWN = with_bytes(46, b"\0\0\x63")
MARKED = from_remote(udp_frame())
TAGGED = ethernet.put_tag(udp_frame(), ethernet.VlanTag(vid=7))
SHORT = from_remote(udp_frame()[:33])


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        pytest.param(with_bytes(38, b"\0\x1d"), "TRUNCATED", id="UDP length 29"),
        pytest.param(GOOD[:-1], "TRUNCATED", id="a byte is missing"),
        pytest.param(with_bytes(16, b"\0\x31"), "TRUNCATED", id="IP total length 49"),
        pytest.param(NO_FLAG, "BAD_HEADER", id="no I flag"),
        pytest.param(with_bytes(38, b"\0\x1e"), "BAD_HEADER", id="UDP length below IP's"),
        pytest.param(with_bytes(38, b"\xff\xff"), "BAD_HEADER", id="UDP length above IP's"),
        pytest.param(UNKNOWN, "UNKNOWN_VNI", id="VNI 99"),
        pytest.param(NO_FLAG[:-1], "TRUNCATED", id="truncated before bad header"),
        pytest.param(with_bytes(46, b"\0\0\x63", NO_FLAG), "BAD_HEADER", id="bad header before unknown VNI"),
        pytest.param(with_bytes(40, b"\x12\x34", UNKNOWN), "UNKNOWN_VNI", id="unknown VNI before checksum"),
        pytest.param(with_bytes(22, b"\x07")[:24] + b"\0\0" + GOOD[26:], "BAD_CHECKSUM", id="wrong IPv4 checksum"),
        pytest.param(with_bytes(40, b"\x12\x34"), "BAD_CHECKSUM", id="wrong UDP checksum"),
        pytest.param(from_remote(udp_frame()[:33]), "INNER_TRUNCATED", id="ends inside its IP header"),
        pytest.param(from_remote(TAGGED[:19]), "INNER_TRUNCATED", id="ends inside its VLAN tag, for Linux"),
        pytest.param(from_remote(TAGGED[:20]), "VLAN_TAG", id="ends behind its VLAN tag"),
        pytest.param(with_bytes(15, b"\x03", MARKED), "CONGESTION_MARK", id="a mark and no place for it"),
        pytest.param(with_bytes(15, b"\x03", SHORT), "INNER_TRUNCATED", id="truncated before mark"),
        pytest.param(with_bytes(40, b"\x12\x34", SHORT), "BAD_CHECKSUM", id="checksum before truncated"),
    ],
)
def test_malformed(packet: bytes, reason: str) -> None:
    """Each malformed packet for us is counted under exactly one reason, the first that holds."""
    host = switch()
    assert host.from_underlay(packet, 0) == dropped(reason)
    assert host.drops == {drop_reason(reason): 1}
    assert host.fdb() == ()


@given(st.binary(max_size=120), st.integers(0, len(GOOD)))
def test_any_bytes_have_an_outcome(noise: bytes, keep: int) -> None:
    """No packet, however broken, makes the switch fail; what it drops it counts once."""
    host = switch()
    outcome = host.from_underlay(GOOD[:keep] + noise, 0)
    assert host.drops.total() == (outcome.drop is not None)
    assert not (outcome.copies and not outcome.ours)
