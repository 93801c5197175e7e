# SPDX-License-Identifier: Apache-2.0
"""What a VTEP makes of the headers of a packet from the underlay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.frames import LOCAL, REMOTE, from_remote, udp_frame, vnis
from vxnet.packet.outer import read_outer

GOOD = from_remote(udp_frame(), vni=5001)


def with_bytes(at: int, value: bytes, packet: bytes = GOOD) -> bytes:
    """Return the packet with other bytes at one place."""
    return packet[:at] + value + packet[at + len(value) :]


@given(vnis, st.binary(min_size=14, max_size=200), st.integers(0, 20))
def test_reads_what_was_sent(vni: int, inner: bytes, padding: int) -> None:
    """Addresses, VNI and the inner frame come out; what the underlay padded behind does not."""
    outer = read_outer(from_remote(inner, vni=vni) + bytes(padding))
    assert outer is not None
    assert (outer.truncated, outer.bad_header, outer.bad_checksum) == (False, False, False)
    assert (outer.src, outer.dst, outer.dst_port, outer.vni, outer.frame) == (REMOTE, LOCAL, 4789, vni, inner)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(with_bytes(12, b"\x86\xdd"), id="ethertype"),
        pytest.param(with_bytes(12, b"\x81\x00"), id="vlan tag"),
        pytest.param(with_bytes(14, b"\x65"), id="version"),
        pytest.param(with_bytes(14, b"\x46"), id="options"),
        pytest.param(with_bytes(20, b"\x20\x00"), id="first fragment"),
        pytest.param(with_bytes(20, b"\x00\x01"), id="later fragment"),
        pytest.param(with_bytes(23, b"\x06"), id="tcp"),
        pytest.param(GOOD[:41], id="ends in UDP"),
        pytest.param(GOOD[:14], id="ends before IP"),
    ],
)
def test_leaves_other_packets_alone(packet: bytes) -> None:
    """What is not plain IPv4 and UDP is the host's."""
    assert read_outer(packet) is None


@given(st.integers(42, len(GOOD) - 1))
def test_cut_off_anywhere_is_truncated(length: int) -> None:
    """A packet without its last byte, or more, is truncated; asking never fails."""
    outer = read_outer(GOOD[:length])
    assert outer is not None
    assert outer.truncated


@pytest.mark.parametrize("udp_length", [0, 8, 16, 29])
def test_udp_length_without_room_is_truncated(udp_length: int) -> None:
    """UDP 8, VXLAN 8 and an Ethernet header 14 must fit into the UDP length."""
    outer = read_outer(with_bytes(38, udp_length.to_bytes(2, "big")))
    assert outer is not None
    assert outer.truncated


@pytest.mark.parametrize("total_length", [0, 20, 49, len(GOOD) - 13, 65535])
def test_total_length_that_cannot_be_is_truncated(total_length: int) -> None:
    """The IP total length must have room for all headers and be there."""
    outer = read_outer(with_bytes(16, total_length.to_bytes(2, "big")))
    assert outer is not None
    assert outer.truncated


def test_smallest_packet_is_whole() -> None:
    """An inner frame that is only a header is a frame."""
    outer = read_outer(from_remote(udp_frame()[:14]))
    assert outer is not None
    assert not outer.truncated
    assert outer.frame == udp_frame()[:14]


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(with_bytes(42, b"\x00"), id="no I flag"),
        pytest.param(with_bytes(42, b"\xf7"), id="all but the I flag"),
        pytest.param(with_bytes(38, (len(GOOD) - 35).to_bytes(2, "big")), id="UDP one short"),
        pytest.param(with_bytes(38, (len(GOOD) - 33).to_bytes(2, "big")), id="UDP one long"),
    ],
)
def test_bad_headers(packet: bytes) -> None:
    """A missing I flag and lengths that disagree are bad headers, not truncation."""
    outer = read_outer(packet)
    assert outer is not None
    assert not outer.truncated
    assert outer.bad_header


def test_wrong_checksums() -> None:
    """A wrong IPv4 checksum and a wrong UDP checksum are seen; 0 stands for no UDP checksum."""
    for packet in (with_bytes(22, b"\x01"), with_bytes(40, b"\x12\x34")):
        outer = read_outer(packet)
        assert outer is not None
        assert outer.bad_checksum
