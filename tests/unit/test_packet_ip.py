# SPDX-License-Identifier: Apache-2.0
"""IPv4, IPv6, UDP and ICMP echo: byte by byte what scapy writes, and back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import inet, inet6
from scapy.packet import Packet, Raw

from tests.unit.frames import bytes_, payloads, words
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError
from vxnet.packet.icmp import IcmpEcho
from vxnet.packet.ip import DESTINATION_OPTIONS, EXTENSIONS_SEEN, ICMP, UDP, IPv4, IPv6, past_extensions
from vxnet.packet.udp import Udp, udp_checksum

SRC, DST = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
SRC6, DST6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")

ipv4s = st.builds(
    IPv4,
    src=st.ip_addresses(v=4),
    dst=st.ip_addresses(v=4),
    protocol=bytes_,
    ttl=bytes_,
    tos=bytes_,
    identification=words,
    dont_fragment=st.booleans(),
    more_fragments=st.booleans(),
    offset=st.integers(0, 2**13 - 1),
    options=st.integers(0, 10).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)),
    payload=payloads,
)
ipv6s = st.builds(
    IPv6,
    src=st.ip_addresses(v=6),
    dst=st.ip_addresses(v=6),
    next_header=bytes_,
    hop_limit=bytes_,
    traffic_class=bytes_,
    flow_label=st.integers(0, 2**20 - 1),
    payload=payloads,
)
udps = st.builds(Udp, src_port=words, dst_port=words, checksum=words, payload=payloads)
echos = st.builds(IcmpEcho, identifier=words, sequence=words, reply=st.booleans(), payload=payloads)


def test_checksum_of_rfc_1071() -> None:
    """The example of RFC 1071, section 3: the words sum to ddf2."""
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF


def test_checksum_pads_an_odd_byte() -> None:
    """An odd last byte is the high half of a word."""
    assert internet_checksum(b"\x12\x34\x56") == internet_checksum(b"\x12\x34\x56\x00")


@given(ipv4s)
def test_ipv4_round_trip(value: IPv4) -> None:
    """Encoding and parsing gives the same value, and what is padded behind is ignored."""
    assert IPv4.parse(value.encode()) == value
    assert IPv4.parse(value.encode() + bytes(9)) == value


@given(ipv6s)
def test_ipv6_round_trip(value: IPv6) -> None:
    """Encoding and parsing gives the same value, and what is padded behind is ignored."""
    assert IPv6.parse(value.encode()) == value
    assert IPv6.parse(value.encode() + bytes(9)) == value


@given(udps)
def test_udp_round_trip(value: Udp) -> None:
    """Encoding and parsing gives the same value, and what is padded behind is ignored."""
    assert Udp.parse(value.encode()) == value
    assert Udp.parse(value.encode() + bytes(9)) == value


@given(echos)
def test_icmp_round_trip(value: IcmpEcho) -> None:
    """Encoding and parsing gives the same value."""
    assert IcmpEcho.parse(value.encode()) == value


@given(payloads)
def test_ipv4_udp_is_scapys(payload: bytes) -> None:
    """A datagram with DF, TOS and checksums has the same bytes as scapy's."""
    datagram = Udp(src_port=1000, dst_port=2000, payload=payload).with_checksum(SRC, DST)
    ours = IPv4(
        src=SRC,
        dst=DST,
        protocol=UDP,
        tos=0x10,
        ttl=3,
        identification=77,
        dont_fragment=True,
        payload=datagram.encode(),
    )
    theirs = inet.IP(src=str(SRC), dst=str(DST), tos=0x10, ttl=3, id=77, flags="DF") / inet.UDP(sport=1000, dport=2000)
    assert ours.encode() == bytes(theirs / Raw(payload))


@given(payloads)
def test_ipv6_udp_is_scapys(payload: bytes) -> None:
    """A datagram over IPv6 has the same bytes as scapy's, pseudo header and all."""
    datagram = Udp(src_port=1000, dst_port=2000, payload=payload).with_checksum(SRC6, DST6)
    ours = IPv6(src=SRC6, dst=DST6, next_header=UDP, traffic_class=3, flow_label=99, payload=datagram.encode())
    theirs = inet6.IPv6(src=str(SRC6), dst=str(DST6), tc=3, fl=99, hlim=64) / inet.UDP(sport=1000, dport=2000)
    assert ours.encode() == bytes(theirs / Raw(payload))


def test_icmp_is_scapys() -> None:
    """A ping has the same bytes as scapy's."""
    ours = IPv4(
        src=SRC, dst=DST, protocol=ICMP, payload=IcmpEcho(identifier=7, sequence=1, payload=b"abc").encode()
    ).encode()
    theirs = inet.IP(src=str(SRC), dst=str(DST), id=0) / inet.ICMP(id=7, seq=1) / Raw(b"abc")
    assert ours == bytes(theirs)


@given(udps)
def test_udp_checksum_is_never_sent_as_none(value: Udp) -> None:
    """A computed checksum is never 0, which would mean none (RFC 768), and it verifies."""
    signed = value.with_checksum(SRC, DST)
    assert signed.checksum != 0
    assert udp_checksum(SRC, DST, signed.encode()) == 0


def test_udp_checksum_that_comes_out_as_zero() -> None:
    """A sum of ffff, whose complement is 0, is sent as ffff."""
    bare = Udp(src_port=0, dst_port=0, payload=b"\0\0")
    filler = udp_checksum(SRC, DST, bare.encode())
    signed = Udp(src_port=0, dst_port=0, payload=filler.to_bytes(2, "big")).with_checksum(SRC, DST)
    assert signed.checksum == 0xFFFF


GOOD_IPV4 = IPv4(src=SRC, dst=DST, protocol=UDP, payload=b"12345678").encode()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (GOOD_IPV4[:19], "19 bytes"),
        (b"\x65" + GOOD_IPV4[1:], "first byte"),
        (b"\x44" + GOOD_IPV4[1:], "first byte"),
        (GOOD_IPV4[:-1], "total length"),
        (GOOD_IPV4[:2] + b"\0\x13" + GOOD_IPV4[4:], "total length"),
        (GOOD_IPV4[:8] + b"\0" + GOOD_IPV4[9:], "checksum"),
    ],
)
def test_bad_ipv4_is_refused(data: bytes, complaint: str) -> None:
    """Wrong version, lengths or checksum are told, each as what it is."""
    with pytest.raises(MalformedError, match=complaint):
        IPv4.parse(data)


GOOD_IPV6 = IPv6(src=SRC6, dst=DST6, next_header=UDP, payload=b"12345678").encode()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [(GOOD_IPV6[:39], "39 bytes"), (b"\x45" + GOOD_IPV6[1:], "version is 4"), (GOOD_IPV6[:-1], "47 bytes")],
)
def test_bad_ipv6_is_refused(data: bytes, complaint: str) -> None:
    """Wrong version and missing bytes are told."""
    with pytest.raises(MalformedError, match=complaint):
        IPv6.parse(data)


HEADERS = (
    inet6.IPv6ExtHdrHopByHop(options=inet6.RouterAlert()),
    inet6.IPv6ExtHdrRouting(type=4, addresses=["::1"]),
    inet6.IPv6ExtHdrFragment(),
    inet6.IPv6ExtHdrDestOpt(options=inet6.PadN(optdata=bytes(20))),
)


def behind(*headers: Packet) -> IPv6:
    """Return a packet with a UDP datagram behind these extension headers."""
    packet = inet6.IPv6(src=str(SRC6), dst=str(DST6))
    for header in headers:
        packet /= header.copy()
    return IPv6.parse(bytes(packet / inet.UDP() / b"hello"))


@given(st.lists(st.sampled_from(HEADERS), max_size=EXTENSIONS_SEEN))
def test_extension_headers_are_gone_past(headers: list[Packet]) -> None:
    """To the datagram, behind any four of them; one that is cut off is told."""
    packet = behind(*headers)
    reached = past_extensions(packet.next_header, packet.payload)
    assert reached == (UDP, packet.payload[-13:])
    if headers:
        with pytest.raises(MalformedError, match="extension"):
            past_extensions(packet.next_header, packet.payload[:3])


def test_there_are_too_many_of_them_or_it_is_a_later_fragment() -> None:
    """The fifth is what is reached; a fragment but the first reaches nothing."""
    many = behind(*[HEADERS[-1]] * (EXTENSIONS_SEEN + 1))
    reached = past_extensions(many.next_header, many.payload)
    assert reached
    assert reached[0] == DESTINATION_OPTIONS
    later = behind(inet6.IPv6ExtHdrFragment(offset=1))
    assert past_extensions(later.next_header, later.payload) is None


@pytest.mark.parametrize("data", [bytes(7), b"\0\1\0\2\0\7\0\0", b"\0\1\0\2\0\x09\0\0"])
def test_bad_udp_is_refused(data: bytes) -> None:
    """A datagram has 8 bytes at least, and all that its length says."""
    with pytest.raises(MalformedError, match="UDP"):
        Udp.parse(data)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (bytes(7), "7 bytes"),
        (b"\x03\0" + bytes(6), "type 3"),
        (b"\x08\1" + bytes(6), "code 1"),
        (b"\x08\0\0\0" + bytes(4), "checksum"),
    ],
)
def test_bad_icmp_is_refused(data: bytes, complaint: str) -> None:
    """Only whole echo messages with a right checksum are read."""
    with pytest.raises(MalformedError, match=complaint):
        IcmpEcho.parse(data)
