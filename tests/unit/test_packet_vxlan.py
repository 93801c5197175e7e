# SPDX-License-Identifier: Apache-2.0
"""VXLAN: byte by byte what scapy writes; lenient about what is reserved (RFC 7348, section 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from tests.unit.frames import LOCAL, MAC_A, MAC_B, REMOTE, payloads, udp_frame, vnis
from vxnet.packet.errors import MalformedError
from vxnet.packet.flow import source_port
from vxnet.packet.vxlan import Vxlan, encapsulate, onto_ethernet, overhead


@given(vnis, payloads)
def test_round_trip(vni: int, payload: bytes) -> None:
    """Encoding and parsing gives the same value."""
    value = Vxlan(vni=vni, payload=payload)
    assert Vxlan.parse(value.encode()) == value


@given(st.binary(min_size=8, max_size=8), payloads)
def test_reserved_bits_are_ignored(header: bytes, payload: bytes) -> None:
    """With the I flag set, any header is read; only its VNI matters."""
    header = bytes((header[0] | 0x08,)) + header[1:]
    assert Vxlan.parse(header + payload) == Vxlan(vni=int.from_bytes(header[4:7], "big"), payload=payload)


@given(st.binary(min_size=8, max_size=8))
def test_without_i_flag_is_refused(header: bytes) -> None:
    """Without the I flag there is no VNI, whatever else is set."""
    with pytest.raises(MalformedError, match="I flag"):
        Vxlan.parse(bytes((header[0] & 0xF7,)) + header[1:])


def test_short_is_refused() -> None:
    """The header has 8 bytes."""
    with pytest.raises(MalformedError, match="7 bytes"):
        Vxlan.parse(b"\x08" + bytes(6))


@given(vnis, st.integers(1, 65535), st.binary(min_size=14, max_size=1514))
def test_outer_packet_is_scapys(vni: int, dst_port: int, inner: bytes) -> None:
    """The whole outer frame, for any inner one, has the same bytes as scapy's."""
    packet = encapsulate(inner, vni=vni, src=LOCAL, dst=REMOTE, dst_port=dst_port)
    theirs = (
        Ether(src=MAC_A, dst=MAC_B)
        / IP(src=str(LOCAL), dst=str(REMOTE), flags="DF", id=0, ttl=64, tos=0)
        / UDP(sport=source_port(inner), dport=dst_port, chksum=0)
        / VXLAN(flags="Instance", vni=vni)
    )
    assert onto_ethernet(packet, src_mac=MAC_A, dst_mac=MAC_B) == bytes(theirs / inner)
    assert len(packet) == len(inner) + overhead(REMOTE)


def test_scapy_reads_the_inner_frame() -> None:
    """Scapy's own dissection of our bytes finds VNI and tenant."""
    read = IP(encapsulate(udp_frame(), vni=5001, src=LOCAL, dst=REMOTE))
    assert read[VXLAN].vni == 5001
    assert bytes(read[VXLAN].payload) == udp_frame()
