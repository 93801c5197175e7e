# SPDX-License-Identifier: Apache-2.0
"""Congestion marks across the tunnel: RFC 6040's two tables, for IPv4 and IPv6 inside."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from vxnet.packet import ecn, ip
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.ecn import CE, ECT0, ECT1, NOT_ECT
from vxnet.packet.ethernet import ARP, HEADER_LENGTH, IPV4, IPV6, Ethernet, VlanTag, put_tag

NAMES = ("not-ect", "ect1", "ect0", "ce")


def frame(field: int, ethertype: int) -> bytes:
    """Return a frame whose IP header has this ECN field, and DSCP 46."""
    if ethertype == IPV4:
        packet = ip.IPv4(src=IPv4Address("10.0.0.1"), dst=IPv4Address("10.0.0.2"), protocol=17, tos=46 << 2 | field)
        payload = packet.encode()
    else:
        header = bytearray(ip.IPv6(src=IPv6Address("fd00::1"), dst=IPv6Address("fd00::2"), next_header=59).encode())
        header[0:2] = (0x6000 | (46 << 2 | field) << 4).to_bytes(2, "big")
        payload = bytes(header)
    return Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", ethertype=ethertype, payload=payload).encode()


@pytest.mark.parametrize("ethertype", [IPV4, IPV6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("inner", range(4), ids=NAMES)
def test_the_way_in(inner: int, ethertype: int) -> None:
    """The outer field is the inner one, but CE goes out as ECT(0)."""
    assert ecn.outer_field(frame(inner, ethertype)) == (NOT_ECT, ECT1, ECT0, ECT0)[inner]
    assert ecn.outer_field(put_tag(frame(inner, ethertype), VlanTag(vid=7))) == (NOT_ECT, ECT1, ECT0, ECT0)[inner]


@pytest.mark.parametrize("ethertype", [IPV4, IPV6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("inner", range(4), ids=NAMES)
@pytest.mark.parametrize("outer", range(4), ids=NAMES)
def test_the_way_out(outer: int, inner: int, ethertype: int) -> None:
    """A mark is brought to the inner header or, where it can carry none, the frame is dropped; all else stays.

    Linux does not look behind a VLAN tag here.
    """
    tagged = put_tag(frame(inner, ethertype), VlanTag(vid=7))
    assert ecn.taken_out(tagged, outer) == tagged
    left = ecn.taken_out(frame(inner, ethertype), outer)
    if (outer, inner) == (CE, NOT_ECT):
        assert left is None
        return
    raised = outer if (outer, inner) in {(CE, ECT0), (CE, ECT1), (ECT1, ECT0)} else inner
    assert left == frame(raised, ethertype)
    if ethertype == IPV4:
        assert internet_checksum(left[HEADER_LENGTH : HEADER_LENGTH + 20]) == 0


@pytest.mark.parametrize("short", [frame(ECT0, IPV4)[:20], frame(ECT0, IPV6)[:50]], ids=["ipv4", "ipv6"])
def test_no_whole_header(short: bytes) -> None:
    """A frame that ends inside its IP header has no field, and none is written into it."""
    assert (ecn.field(short), ecn.outer_field(short), ecn.taken_out(short, CE)) == (None, NOT_ECT, short)


def test_other_frames() -> None:
    """What is not IP has no field."""
    question = Ethernet(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:01", ethertype=ARP, payload=bytes(46)).encode()
    assert (ecn.field(question), ecn.taken_out(question, CE)) == (None, question)
