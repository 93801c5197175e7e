# SPDX-License-Identifier: Apache-2.0
"""BFD: is the other end there? (RFC 5880, section 4.1), and the frame of a management VNI it travels in (RFC 8971).

 0                   1                   2                   3
+-----+---------+---+-+-+-+-+-+-+---------------+---------------+
|Vers | diag    |Sta|P|F|C|A|D|M|  detect mult  |    length     |
+-----+---------+---+-+-+-+-+-+-+---------------+---------------+
|                       my discriminator                        |
|                      your discriminator                       |
|                    desired min TX interval                    |   microseconds
|                   required min RX interval                    |
|                 required min echo RX interval                 |
+---------------------------------------------------------------+

    | inner Ethernet, to 00:00:5e:00:52:02 | IP, to 127.0.0.1 or ::ffff:127.0.0.1, TTL 255 | UDP, to 3784 | BFD 24 |
"""

from __future__ import annotations

import struct
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

import msgspec

from vxnet.packet import ethernet, ip
from vxnet.packet.errors import MalformedError, need
from vxnet.packet.udp import Udp

if TYPE_CHECKING:
    from vxnet.model import IPAddress

LENGTH = 24
VERSION = 1
PORT: Final = 3784
"""UDP destination port of a single hop; the source port is 49152 or above, each session's own (RFC 5881, section 4)."""
SOURCE_MIN, SOURCE_PORTS = 49152, 16384
HOPS = 255
"""TTL on send; with less, a router has been between, and it is not from there (RFC 5881, section 5; RFC 5082)."""
MAC = "00:00:5e:00:52:02"
"""Inner destination (RFC 8971, section 5)."""
LOOPBACK = IPv4Address("127.0.0.1")
LOOPBACK_6 = IPv6Address("::ffff:127.0.0.1")
"""Inner destinations (RFC 8971, section 5)."""


class State(IntEnum):
    """Of a session, as its end sees it."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why a session last left Up: those that this end gives."""

    NONE = 0
    TIME_EXPIRED = 1
    NEIGHBOUR_DOWN = 3
    ADMIN_DOWN = 7


class Bfd(msgspec.Struct, frozen=True, kw_only=True):
    """One control packet, without authentication. Intervals are in microseconds."""

    state: State
    my_discriminator: int
    your_discriminator: int = 0
    diagnostic: int = 0
    poll: bool = False
    final: bool = False
    demand: bool = False
    detect_mult: int
    min_tx: int
    min_rx: int

    @classmethod
    def parse(cls, data: bytes) -> Bfd:
        """Read a UDP payload.

        Raises MalformedError for what RFC 5880, section 6.8.6, has discarded whatever the session: another version, a
        wrong length, no multiplier, multipoint, no discriminator, authentication (which is not in use).
        """
        need(data, LENGTH, "BFD")
        first, second, detect_mult, length, mine, yours, min_tx, min_rx = struct.unpack_from("!BBBBIIII", data)
        if first >> 5 != VERSION:
            raise MalformedError(f"BFD: version {first >> 5}")
        if not LENGTH <= length <= len(data):
            raise MalformedError(f"BFD: length {length} with {len(data)} bytes there")
        if second & 0x05:
            raise MalformedError("BFD: multipoint, or authenticated")
        if not detect_mult or not mine:
            raise MalformedError("BFD: detect mult or my discriminator is 0")
        state = State(second >> 6)
        if not yours and state not in {State.DOWN, State.ADMIN_DOWN}:
            raise MalformedError(f"BFD: {state.name} without your discriminator")
        return cls(
            state=state,
            my_discriminator=mine,
            your_discriminator=yours,
            diagnostic=first & 0x1F,
            poll=bool(second & 0x20),
            final=bool(second & 0x10),
            demand=bool(second & 0x02),
            detect_mult=detect_mult,
            min_tx=min_tx,
            min_rx=min_rx,
        )

    def encode(self) -> bytes:
        """Return the packet's bytes: no echo, no authentication."""
        second = self.state << 6 | self.poll << 5 | self.final << 4 | self.demand << 1
        return struct.pack(
            "!BBBBIIIII",
            VERSION << 5 | self.diagnostic,
            second,
            self.detect_mult,
            LENGTH,
            self.my_discriminator,
            self.your_discriminator,
            self.min_tx,
            self.min_rx,
            0,
        )


def frame(packet: Bfd, *, src: IPAddress, src_mac: str) -> bytes:
    """Return the inner frame in which the VTEP ``src`` sends a packet (RFC 8971, section 5)."""
    source = SOURCE_MIN + packet.my_discriminator % SOURCE_PORTS
    datagram = Udp(src_port=source, dst_port=PORT, payload=packet.encode())
    if isinstance(src, IPv4Address):
        data = datagram.with_checksum(src, LOOPBACK).encode()
        inner = ip.IPv4(src=src, dst=LOOPBACK, protocol=ip.UDP, ttl=HOPS, payload=data).encode()
        ethertype = ethernet.IPV4
    else:
        data = datagram.with_checksum(src, LOOPBACK_6).encode()
        inner = ip.IPv6(src=src, dst=LOOPBACK_6, next_header=ip.UDP, hop_limit=HOPS, payload=data).encode()
        ethertype = ethernet.IPV6
    return ethernet.Ethernet(dst=MAC, src=src_mac, ethertype=ethertype, payload=inner).encode()


def unframe(data: bytes) -> Bfd:
    """Return the packet in an inner frame.

    Raises MalformedError if it is none, or its TTL is not 255 (RFC 8971, section 6). Its addresses are not looked at:
    some put others there, and the VNI has no other use.
    """
    outer = ethernet.Ethernet.parse(data)
    if outer.ethertype == ethernet.IPV4:
        v4 = ip.IPv4.parse(outer.payload)
        hops, protocol, payload = v4.ttl, v4.protocol, v4.payload
    elif outer.ethertype == ethernet.IPV6:
        v6 = ip.IPv6.parse(outer.payload)
        hops, protocol, payload = v6.hop_limit, v6.next_header, v6.payload
    else:
        raise MalformedError(f"BFD: a frame of type {outer.ethertype:#06x}")
    if hops != HOPS or protocol != ip.UDP:
        raise MalformedError(f"BFD: TTL {hops}, protocol {protocol}")
    datagram = Udp.parse(payload)
    if datagram.dst_port != PORT:
        raise MalformedError(f"BFD: UDP port {datagram.dst_port}")
    return Bfd.parse(datagram.payload)
