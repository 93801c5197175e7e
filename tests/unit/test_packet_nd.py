# SPDX-License-Identifier: Apache-2.0
"""Neighbour discovery: byte by byte what scapy writes, and back (RFC 4861, sections 4.3 and 4.4)."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6

from tests.unit.frames import MAC_A, macs
from vxnet.packet import nd
from vxnet.packet.errors import MalformedError

addresses = st.ip_addresses(v=6).map(lambda address: IPv6Address(int(address)))


@given(addresses, addresses, addresses, st.none() | macs)
def test_a_solicitation_is_scapys(src: IPv6Address, dst: IPv6Address, target: IPv6Address, mac: str | None) -> None:
    """With and without the asker's MAC, checksum and all; its target is read back."""
    message = ICMPv6ND_NS(tgt=str(target))
    packet = IPv6(src=str(src), dst=str(dst)) / (message / ICMPv6NDOptSrcLLAddr(lladdr=mac) if mac else message)
    ours = nd.Solicitation(target=target, mac=mac).encode(src, dst)
    assert ours == bytes(packet)[40:]
    assert nd.Solicitation.parse(ours).target == target


@given(addresses, addresses, addresses, macs)
def test_an_advertisement_is_scapys(src: IPv6Address, dst: IPv6Address, target: IPv6Address, mac: str) -> None:
    """An answer: never a router's, always to override what was known."""
    message = ICMPv6ND_NA(tgt=str(target), R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    packet = IPv6(src=str(src), dst=str(dst)) / message
    assert nd.Advertisement(target=target, mac=mac).encode(src, dst) == bytes(packet)[40:]


@pytest.mark.parametrize("data", [bytes(24), bytes((135, 1)) + bytes(22), bytes((136, 0)) + bytes(22), bytes((135,))])
def test_what_is_no_solicitation(data: bytes) -> None:
    """Another type, another code, or too short."""
    with pytest.raises(MalformedError, match="neighbour solicitation"):
        nd.Solicitation.parse(data)


def test_the_senders_mac_is_not_taken_from_it() -> None:
    """Options are not looked at: who asks is told by its frame."""
    address = IPv6Address("fd00::1")
    assert nd.Solicitation.parse(nd.Solicitation(target=address, mac=MAC_A).encode(address, address)).mac is None
