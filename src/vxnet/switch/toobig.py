# SPDX-License-Identifier: Apache-2.0
"""Path MTU discovery for tenants (rule 10): who sends a packet too large for the path to its remote is told.

    known unicast from a port, larger than what fits
      |  IPv4 (RFC 1191)                              IPv6 (RFC 8201)
      |  header sound, DF, not a later fragment       not a later fragment
      |  no ICMP error (RFC 1122, section 3.2.2)      no ICMPv6 error or redirect (RFC 4443, section 2.4)
      |                     from and to one machine each
      v                                               v
    destination unreachable, fragmentation needed   packet too big; not for less than 1280, which no IPv6 link has

A switch has no address of its own: the error comes from the packet's destination, as a router right before it would
send it. Everything else is only dropped.

The programs keep to a limit as well, of which nothing is said here: a hundred errors at once to a port, a thousand a
second, by each CPU (RFC 1812, section 4.3.2.8; RFC 4443, section 2.4).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from vxnet.packet import ethernet, icmp, icmp6, ip
from vxnet.packet.errors import MalformedError
from vxnet.packet.mac import format_mac

V4_QUOTE = 544
"""Bytes quoted of an IPv4 packet: whole chunks, of at most 576 bytes in all (RFC 1812, section 4.3.2.3)."""
V6_QUOTE = 1232
"""Bytes quoted of an IPv6 packet: 1280 in all (RFC 4443, section 3.2)."""

_CHUNK = 16
_V4_LEAST = 80  # bytes of a packet of which a quote has every header, and 8 bytes behind it
_V4_LEAST_MTU = 68  # RFC 791, section 3.2
_V6_LEAST_MTU = 1280  # RFC 8200, section 5

_INTERNETWORK_CONTROL = 0xC0  # RFC 1812, section 4.3.2.5
_GROUPS_AND_RESERVED = IPv4Address("224.0.0.0")


def tell(frame: bytes, mtu: int) -> bytes | None:
    """Return the frame that tells the sender of ``frame`` of the path's ``mtu``, or None if there is none to be sent.

    ``frame`` is untagged, of 14 bytes or more; ``mtu`` is that of tenants' IP packets, in bytes.
    """
    packet = frame[ethernet.HEADER_LENGTH :]
    ethertype = int.from_bytes(frame[12:14], "big")
    try:
        match ethertype:
            case ethernet.IPV4:
                error = _fragmentation_needed(packet, mtu)
            case ethernet.IPV6:
                error = _packet_too_big(packet, mtu)
            case _:
                return None
    except MalformedError:
        return None
    if error is None:
        return None
    src, dst = format_mac(frame[:6]), format_mac(frame[6:12])
    return ethernet.Ethernet(dst=dst, src=src, ethertype=ethertype, payload=error).encode()


def _fragmentation_needed(data: bytes, mtu: int) -> bytes | None:
    packet = ip.IPv4.parse(data)
    length = ip.IPV4_HEADER_LENGTH + len(packet.options) + len(packet.payload)
    if length <= mtu or mtu < _V4_LEAST_MTU or length < _V4_LEAST or not packet.dont_fragment or packet.offset:
        return None
    if not (_is_machine(packet.src) and _is_machine(packet.dst)):
        return None
    if packet.protocol == ip.ICMP and (not packet.payload or packet.payload[0] in icmp.ERRORS):
        return None
    quote = data[: min(length, V4_QUOTE) // _CHUNK * _CHUNK]
    return ip.IPv4(
        src=packet.dst,
        dst=packet.src,
        protocol=ip.ICMP,
        tos=_INTERNETWORK_CONTROL,
        dont_fragment=True,
        payload=icmp.FragmentationNeeded(mtu=mtu, quote=quote).encode(),
    ).encode()


def _packet_too_big(data: bytes, mtu: int) -> bytes | None:
    packet = ip.IPv6.parse(data)
    if ip.IPV6_HEADER_LENGTH + len(packet.payload) <= mtu or mtu < _V6_LEAST_MTU or not _may_be_told(packet):
        return None
    if not (_is_machine(packet.src) and _is_machine(packet.dst)):
        return None
    error = icmp6.PacketTooBig(mtu=mtu, quote=data[:V6_QUOTE]).encode(packet.dst, packet.src)
    return ip.IPv6(src=packet.dst, dst=packet.src, next_header=ip.ICMPV6, payload=error).encode()


def _is_machine(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether this is one machine's address: not zero, the loopback, a group, reserved or broadcast."""
    if isinstance(address, IPv6Address):
        return int(address) > 1 and not address.is_multicast
    return not address.is_loopback and address.packed[0] > 0 and address < _GROUPS_AND_RESERVED


def _may_be_told(packet: ip.IPv6) -> bool:
    """Tell whether this is neither a later fragment nor an ICMPv6 error, nor more wrapped up than can be seen."""
    try:
        reached = ip.past_extensions(packet.next_header, packet.payload)
    except MalformedError:
        return False
    if reached is None:
        return False
    header, rest = reached
    if header != ip.ICMPV6:
        return header not in ip.EXTENSIONS
    return bool(rest) and rest[0] >= icmp6.INFORMATION and rest[0] != icmp6.REDIRECT
