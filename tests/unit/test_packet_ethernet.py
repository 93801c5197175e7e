# SPDX-License-Identifier: Apache-2.0
"""Ethernet, VLAN tags and ARP: byte by byte what scapy writes, and back."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether

from tests.unit.frames import MAC_A, MAC_B, bytes_, macs, payloads, words
from vxnet.packet.arp import REPLY, Arp
from vxnet.packet.errors import MalformedError
from vxnet.packet.ethernet import DOT1AD, DOT1Q, Ethernet, VlanTag, has_tag, strip_tag

tags = st.builds(
    VlanTag,
    vid=st.integers(0, 4095),
    pcp=st.integers(0, 7),
    dei=st.booleans(),
    tpid=st.sampled_from([DOT1Q, DOT1AD]),
)
ethernets = st.builds(
    Ethernet,
    dst=macs,
    src=macs,
    ethertype=words.filter(lambda value: value not in {DOT1Q, DOT1AD}),
    tags=st.lists(tags, max_size=3).map(tuple),
    payload=payloads,
)
arps = st.builds(
    Arp,
    operation=words,
    sender_mac=macs,
    sender_ip=st.ip_addresses(v=4),
    target_mac=macs,
    target_ip=st.ip_addresses(v=4),
)


@given(ethernets)
def test_ethernet_round_trip(value: Ethernet) -> None:
    """Encoding and parsing gives the same value, tags included."""
    assert Ethernet.parse(value.encode()) == value


def test_ethernet_is_scapys() -> None:
    """A doubly tagged frame has the same bytes as scapy's."""
    ours = Ethernet(
        dst=MAC_B,
        src=MAC_A,
        ethertype=0x0800,
        tags=(VlanTag(vid=100, pcp=5, tpid=DOT1AD), VlanTag(vid=7, dei=True)),
        payload=b"payload",
    )
    theirs = Ether(dst=MAC_B, src=MAC_A) / Dot1AD(vlan=100, prio=5) / Dot1Q(vlan=7, dei=1, type=0x0800) / b"payload"
    assert ours.encode() == bytes(theirs)


@pytest.mark.parametrize("length", [0, 13])
def test_short_ethernet_is_refused(length: int) -> None:
    """A frame has at least its 14 bytes of header."""
    with pytest.raises(MalformedError, match="Ethernet"):
        Ethernet.parse(bytes(length))


def test_cut_off_tag_is_refused() -> None:
    """A frame that announces a tag must hold all of it."""
    with pytest.raises(MalformedError, match="VLAN tag"):
        Ethernet.parse(bytes(12) + b"\x81\x00" + b"\0\1\x08")


def test_ethertype_is_no_tag() -> None:
    """A TPID as EtherType could not be read back, so it is not written."""
    with pytest.raises(MalformedError, match="0x8100"):
        Ethernet(dst=MAC_B, src=MAC_A, ethertype=DOT1Q).encode()


@given(ethernets)
def test_strip_takes_the_outermost_tag(value: Ethernet) -> None:
    """Stripping takes one tag, the outermost, and nothing else."""
    stripped = Ethernet.parse(strip_tag(value.encode()))
    assert stripped.tags == value.tags[1:]
    assert (stripped.dst, stripped.src, stripped.ethertype) == (value.dst, value.src, value.ethertype)
    assert stripped.payload == value.payload
    assert has_tag(value.encode()) == bool(value.tags)


@pytest.mark.parametrize("length", [14, 17])
def test_strip_leaves_a_cut_off_tag(length: int) -> None:
    """A tag that is not there whole cannot be stripped; the frame still counts as tagged."""
    frame = (bytes(12) + b"\x81\x00\0\1\x08\0")[:length]
    assert strip_tag(frame) == frame
    assert has_tag(frame)


@given(arps)
def test_arp_round_trip(value: Arp) -> None:
    """Encoding and parsing gives the same value."""
    assert Arp.parse(value.encode()) == value


def test_arp_is_scapys() -> None:
    """A reply has the same bytes as scapy's, and padding behind it does not matter."""
    ours = Arp(
        operation=REPLY,
        sender_mac=MAC_B,
        sender_ip=IPv4Address("10.0.0.2"),
        target_mac=MAC_A,
        target_ip=IPv4Address("10.0.0.1"),
    )
    theirs = bytes(ARP(op="is-at", hwsrc=MAC_B, psrc="10.0.0.2", hwdst=MAC_A, pdst="10.0.0.1"))
    assert ours.encode() == theirs
    assert Arp.parse(theirs + bytes(18)) == ours


@given(st.integers(0, 5), bytes_)
def test_arp_of_another_kind_is_refused(at: int, value: int) -> None:
    """Hardware and protocol types and lengths other than Ethernet's and IPv4's are not ARP to us."""
    good = bytearray(
        Arp(
            operation=1, sender_mac=MAC_A, sender_ip=IPv4Address("10.0.0.1"), target_ip=IPv4Address("10.0.0.2")
        ).encode()
    )
    if good[at] == value:
        assert Arp.parse(bytes(good)).sender_mac == MAC_A
        return
    good[at] = value
    with pytest.raises(MalformedError, match="ARP"):
        Arp.parse(bytes(good))


def test_short_arp_is_refused() -> None:
    """ARP has 28 bytes."""
    with pytest.raises(MalformedError, match="27 bytes"):
        Arp.parse(bytes(27))
