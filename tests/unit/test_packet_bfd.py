# SPDX-License-Identifier: Apache-2.0
"""BFD packets as bytes (RFC 5880, section 4.1), and the frames that carry them in a management VNI (RFC 8971)."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vxnet.packet import ethernet, ip
from vxnet.packet.bfd import LENGTH, Bfd, State, frame, unframe
from vxnet.packet.errors import MalformedError
from vxnet.packet.udp import Udp, udp_checksum

if TYPE_CHECKING:
    from vxnet.model import IPAddress

WORDS = st.integers(0, 2**32 - 1)
PACKETS = st.builds(
    Bfd,
    state=st.sampled_from(State),
    my_discriminator=st.integers(1, 2**32 - 1),
    your_discriminator=st.integers(1, 2**32 - 1),
    diagnostic=st.integers(0, 31),
    poll=st.booleans(),
    final=st.booleans(),
    demand=st.booleans(),
    detect_mult=st.integers(1, 255),
    min_tx=WORDS,
    min_rx=WORDS,
)
HELLO = Bfd(state=State.DOWN, my_discriminator=0x01020304, detect_mult=3, min_tx=1_000_000, min_rx=300_000)
MAC = "02:00:00:00:00:01"
LOCALS = ("192.168.146.131", "fd00:92::131")


def test_the_bytes() -> None:
    """Every field is where section 4.1 has it."""
    packet = msgspec.structs.replace(HELLO, state=State.UP, your_discriminator=0x0A0B0C0D, diagnostic=3, poll=True)
    assert packet.encode().hex(" ", 4) == "23e00318 01020304 0a0b0c0d 000f4240 000493e0 00000000"


@given(PACKETS)
def test_what_is_written_reads_back(packet: Bfd) -> None:
    """parse(encode) is the packet, whatever is behind it."""
    assert Bfd.parse(packet.encode()) == packet
    assert Bfd.parse(packet.encode() + b"\0" * 4) == packet


@given(st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    """Whatever arrives: a packet, or a MalformedError; so of frames."""
    for read in (Bfd.parse, unframe):
        with contextlib.suppress(MalformedError):
            assert isinstance(read(data), Bfd)


@pytest.mark.parametrize(
    ("at", "byte", "what"),
    [
        (0, 0x40, "version 2"),
        (1, 0x41, "multipoint"),
        (1, 0x44, "authenticated"),
        (2, 0, "detect mult"),
        (3, LENGTH - 1, "length 23"),
        (3, LENGTH + 1, "length 25"),
        (1, 0xC0, "UP without your discriminator"),
    ],
)
def test_what_is_discarded(at: int, byte: int, what: str) -> None:
    """Section 6.8.6: what is no packet of this version and kind, or cannot be of any session."""
    raw = bytearray(HELLO.encode())
    raw[at] = byte
    with pytest.raises(MalformedError, match=what):
        Bfd.parse(bytes(raw))


def test_no_discriminator() -> None:
    """Who sends has one that is not 0."""
    with pytest.raises(MalformedError, match="my discriminator"):
        Bfd.parse(msgspec.structs.replace(HELLO, my_discriminator=0).encode())


@pytest.mark.parametrize("local", LOCALS)
def test_the_frame(local: str) -> None:
    """RFC 8971, section 5: the assigned MAC, a loopback address, TTL 255; the UDP checksum is right."""
    src = ip_address(local)
    outer = ethernet.Ethernet.parse(frame(HELLO, src=src, src_mac=MAC))
    assert (outer.dst, outer.src) == ("00:00:5e:00:52:02", MAC)
    dst: IPAddress
    if src.version == 4:
        v4 = ip.IPv4.parse(outer.payload)
        dst, hops, payload = v4.dst, v4.ttl, v4.payload
        assert (v4.src, dst) == (src, IPv4Address("127.0.0.1"))
    else:
        v6 = ip.IPv6.parse(outer.payload)
        dst, hops, payload = v6.dst, v6.hop_limit, v6.payload
        assert (v6.src, dst) == (src, IPv6Address("::ffff:127.0.0.1"))
    assert hops == 255
    assert udp_checksum(src, dst, payload) == 0
    assert (Udp.parse(payload).src_port, Udp.parse(payload).dst_port) == (49152 + 0x01020304 % 16384, 3784)
    assert unframe(frame(HELLO, src=src, src_mac=MAC)) == HELLO


@pytest.mark.parametrize("local", LOCALS)
def test_a_router_was_between(local: str) -> None:
    """A TTL below 255 is no neighbour's (RFC 5082)."""
    outer = ethernet.Ethernet.parse(frame(HELLO, src=ip_address(local), src_mac=MAC))
    field = "ttl" if outer.ethertype == ethernet.IPV4 else "hop_limit"
    packet = (ip.IPv4 if outer.ethertype == ethernet.IPV4 else ip.IPv6).parse(outer.payload)
    routed = msgspec.structs.replace(packet, **{field: 254}).encode()
    with pytest.raises(MalformedError, match="TTL 254"):
        unframe(msgspec.structs.replace(outer, payload=routed).encode())
