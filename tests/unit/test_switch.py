# SPDX-License-Identifier: Apache-2.0
"""The reference switch: a frame from a port, and counting."""

from __future__ import annotations

import pytest

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
from vxnet.model import DOWN, FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet.ethernet import DOT1AD, VlanTag, strip_tag
from vxnet.packet.mac import BROADCAST, ZERO
from vxnet.switch.outcome import Copy, Outcome, ToPort, ToUnderlay, Traffic
from vxnet.switch.switch import Switch

BLUE = Segment(name="blue", vni=10, remotes=(REMOTE, OTHER_REMOTE))
PORTS = tuple(Port(device=device, segment="blue") for device in ("tap0", "tap1", "tap2"))


def switch(segment: Segment = BLUE, *, fdb: tuple[FdbEntry, ...] = (), ports: tuple[Port, ...] = PORTS) -> Switch:
    """Return a switch with one segment."""
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=(segment,), ports=ports, fdb=fdb))


def dropped(reason: str, *copies: Copy) -> Outcome:
    """Return the outcome with this drop reason, in spite of which ``copies`` go out."""
    return Outcome(copies, drop_reason(reason))


def test_host_that_is_down_has_no_switch() -> None:
    """Without a VTEP there is nothing to switch."""
    with pytest.raises(ValueError, match="VTEP"):
        Switch(DOWN)


@pytest.mark.parametrize("dst", [BROADCAST, GROUP_MAC, MAC_B, ZERO])
def test_bum_floods_to_other_ports_and_each_remote(dst: str) -> None:
    """Rule 4: broadcast, multicast and unknown unicast go everywhere but back."""
    sent = frame(MAC_A, dst)
    assert switch().from_port("tap1", sent, 0).copies == (
        ToPort("tap0", sent),
        ToPort("tap2", sent),
        ToUnderlay("blue", REMOTE, 10, sent),
        ToUnderlay("blue", OTHER_REMOTE, 10, sent),
    )


def test_group_mac_floods_whatever_the_fdb_says() -> None:
    """Rule 4: multicast is BUM, even if somebody wrote an entry for it."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=GROUP_MAC, port="tap1"),))
    assert len(host.from_port("tap0", frame(MAC_A, GROUP_MAC), 0).copies) == 4


def test_bum_floods_to_the_group() -> None:
    """Rule 4: a segment with a group sends one copy there."""
    sent = frame(MAC_A, BROADCAST)
    multicast = Segment(name="blue", vni=10, group=GROUP)
    assert switch(multicast, ports=PORTS[:1]).from_port("tap0", sent, 0) == Outcome(
        (ToUnderlay("blue", GROUP, 10, sent),)
    )


def test_flood_that_reaches_nobody() -> None:
    """Rule 7: no other port and no remote is a counted drop; the source is learned all the same."""
    alone = switch(Segment(name="blue", vni=10), ports=PORTS[:1])
    assert alone.from_port("tap0", frame(MAC_A, BROADCAST), 0) == dropped("NO_DESTINATION")
    assert [row.mac for row in alone.fdb()] == [MAC_A]


def test_known_unicast_goes_to_one_place() -> None:
    """Rule 3: to another port, behind a remote, or nowhere if the frame came from there."""
    host = switch()
    host.from_port("tap0", frame(MAC_A, BROADCAST), 0)
    host.from_underlay(from_remote(frame(MAC_B, BROADCAST)), 0)
    to_a, to_b = frame(MAC_C, MAC_A), frame(MAC_C, MAC_B)
    assert host.from_port("tap1", to_a, 1) == Outcome((ToPort("tap0", to_a),))
    assert host.from_port("tap1", to_b, 1) == Outcome((ToUnderlay("blue", REMOTE, 10, to_b),))
    assert host.from_port("tap0", to_a, 1) == dropped("SAME_PORT")


def test_frame_to_its_own_source() -> None:
    """The source is learned before the destination is looked up."""
    assert switch().from_port("tap0", frame(MAC_A, MAC_A), 0) == dropped("SAME_PORT")


@pytest.mark.parametrize("src", [ZERO, BROADCAST, GROUP_MAC])
def test_bad_source(src: str) -> None:
    """Rule 2: zero and group source MACs are dropped and teach nothing, tagged or not."""
    host = switch()
    assert host.from_port("tap0", frame(src, BROADCAST), 0) == dropped("BAD_SOURCE")
    twice = frame(src, BROADCAST, tags=(VlanTag(vid=1), VlanTag(vid=2)))
    assert host.from_port("tap0", twice, 0) == dropped("BAD_SOURCE")
    assert host.fdb() == ()


@pytest.mark.parametrize("tag", [VlanTag(vid=7), VlanTag(vid=0, pcp=5), VlanTag(vid=7, tpid=DOT1AD)])
def test_one_tag_is_stripped(tag: VlanTag) -> None:
    """Rule 6: an encapsulator strips the tag (RFC 7348, section 6.1); ports get the frame without it, too."""
    sent = frame(MAC_A, BROADCAST, tags=(tag,))
    copies = switch().from_port("tap0", sent, 0).copies
    assert {copy.frame for copy in copies} == {strip_tag(sent)}


def test_second_tag_is_dropped() -> None:
    """Rule 6: what still carries a tag is dropped and teaches nothing."""
    host = switch()
    sent = frame(MAC_A, BROADCAST, tags=(VlanTag(vid=7, tpid=DOT1AD), VlanTag(vid=8)))
    assert host.from_port("tap0", sent, 0) == dropped("VLAN_TAG")
    assert host.fdb() == ()


def test_mtu_is_of_the_outer_ip_packet() -> None:
    """Rule 6: frame and 36 bytes must fit; one byte more, and known unicast for the underlay is dropped."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=MAC_B, remote=REMOTE),))
    fits, does_not = frame(MAC_A, MAC_B, size=1464), frame(MAC_A, MAC_B, size=1465)
    assert host.from_port("tap0", fits, 0) == Outcome((ToUnderlay("blue", REMOTE, 10, fits),))
    assert host.from_port("tap0", does_not, 0) == dropped("TOO_BIG")


def test_mtu_counts_without_the_stripped_tag() -> None:
    """A frame that fits once its tag is off is sent."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=MAC_B, remote=REMOTE),))
    assert host.from_port("tap0", frame(MAC_A, MAC_B, size=1468, tags=(VlanTag(vid=1),)), 0).drop is None


def test_flood_that_is_too_big_stays_local() -> None:
    """The copies for the underlay are dropped under one reason; local ports get theirs."""
    host = switch()
    sent = frame(MAC_A, BROADCAST, size=1465)
    assert host.from_port("tap0", sent, 0) == dropped("TOO_BIG", ToPort("tap1", sent), ToPort("tap2", sent))
    assert host.drops == {drop_reason("TOO_BIG"): 1}
    assert switch(ports=PORTS[:1]).from_port("tap0", sent, 0) == dropped("TOO_BIG")


def test_nothing_is_too_big_without_remotes() -> None:
    """Local frames may have any size: a flood that goes to no underlay is not too big for it."""
    local = Segment(name="blue", vni=10)
    sent = frame(MAC_A, BROADCAST, size=9000)
    assert switch(local, ports=PORTS[:2]).from_port("tap0", sent, 0) == Outcome((ToPort("tap1", sent),))
    assert switch(local, ports=PORTS[:1]).from_port("tap0", sent, 0) == dropped("NO_DESTINATION")


def test_segments_do_not_see_each_other() -> None:
    """Rule 1: two tenants with equal MACs on one host share nothing."""
    red = Segment(name="red", vni=11, remotes=(OTHER_REMOTE,))
    host = Switch(
        HostState(
            vtep=Vtep(local=LOCAL),
            segments=(BLUE, red),
            ports=(*PORTS[:2], Port(device="red0", segment="red"), Port(device="red1", segment="red")),
        )
    )
    host.from_port("tap0", frame(MAC_A, BROADCAST), 0)
    host.from_port("red1", frame(MAC_A, BROADCAST), 0)
    sent = frame(MAC_B, MAC_A)
    assert host.from_port("tap1", sent, 1) == Outcome((ToPort("tap0", sent),))
    assert host.from_port("red0", sent, 1) == Outcome((ToPort("red1", sent),))
    flooded = frame(MAC_B, BROADCAST)
    assert host.from_port("red0", flooded, 1).copies == (
        ToPort("red1", flooded),
        ToUnderlay("red", OTHER_REMOTE, 11, flooded),
    )


def test_traffic_is_counted_per_port_and_segment() -> None:
    """Bytes are those of untagged tenant frames; dropped frames count as received; each copy counts as sent."""
    host = switch(ports=PORTS[:2])
    host.from_port("tap0", frame(MAC_A, BROADCAST, size=100, tags=(VlanTag(vid=1),)), 0)
    host.from_port("tap0", frame(ZERO, BROADCAST, size=70), 0)
    host.from_underlay(from_remote(frame(MAC_B, MAC_A, size=80)), 0)
    host.from_underlay(from_remote(frame(MAC_B, MAC_A, size=80), vni=999), 0)
    assert host.port_traffic == {
        "tap0": Traffic(rx_packets=2, rx_bytes=166, tx_packets=1, tx_bytes=80),
        "tap1": Traffic(tx_packets=1, tx_bytes=96),
    }
    assert host.tunnel_traffic == {"blue": Traffic(rx_packets=1, rx_bytes=80, tx_packets=2, tx_bytes=192)}
    assert host.drops == {drop_reason("BAD_SOURCE"): 1, drop_reason("UNKNOWN_VNI"): 1}


def test_outer_packet_is_what_the_other_side_reads() -> None:
    """The packet of a copy carries our address, the UDP port in force, the VNI and the frame."""
    host = Switch(
        HostState(
            vtep=Vtep(local=LOCAL, dstport=8472),
            segments=(Segment(name="blue", vni=10, remotes=(REMOTE,)),),
            ports=PORTS[:1],
        )
    )
    (copy,) = host.from_port("tap0", udp_frame(), 0).copies
    assert isinstance(copy, ToUnderlay)
    expected = from_remote(udp_frame(), src=LOCAL, dst=REMOTE, dst_port=8472)
    assert host.outer(copy) == expected[14:]


def test_unknown_port() -> None:
    """A frame from a device that is no port is the caller's mistake."""
    with pytest.raises(KeyError):
        switch().from_port("eth7", frame(MAC_A, MAC_B), 0)
