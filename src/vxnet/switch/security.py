# SPDX-License-Identifier: Apache-2.0
"""Port security (rule 8): whether a frame may leave a port that has sources.

    frame, its tag taken off
      |  its source MAC is that of a source                               else refused
      |  ARP    for IPv4 over Ethernet, its sender MAC the frame's;       sender 0.0.0.0 (a probe), or allowed
      |  IPv4   the header is there and sound;                            source allowed, or 0.0.0.0 asking for DHCP
      |  IPv6   the header is there;                                      source allowed, or :: in ICMPv6;
      |                                                                   the target of an advertisement allowed, which
      |                                                                   may stand behind extension headers
      v  anything else
    it may

An address is allowed if it is in the prefix of a source with the frame's MAC, or if one has that MAC and no prefix.
The functions stand in that order.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from vxnet.packet import ethernet, ip, nd
from vxnet.packet.arp import Arp
from vxnet.packet.errors import MalformedError
from vxnet.packet.mac import format_mac

if TYPE_CHECKING:
    from vxnet.model import Source

Sources = tuple["Source", ...]

_DHCP_SERVER = 67
_UDP_HEADER = 8


def may_leave(sources: Sources, frame: bytes) -> bool:
    """Tell whether a port with these ``sources`` may send ``frame`` (14 bytes or more, untagged)."""
    mac = format_mac(frame[6:12])
    mine = tuple(source for source in sources if source.mac == mac)
    payload = frame[ethernet.HEADER_LENGTH :]
    match int.from_bytes(frame[12:14], "big"):
        case _ if not mine:
            return False
        case ethernet.ARP:
            return _arp_may(mine, mac, payload)
        case ethernet.IPV4:
            return _ipv4_may(mine, payload)
        case ethernet.IPV6:
            return _ipv6_may(mine, payload)
        case _:
            return True


def _arp_may(mine: Sources, mac: str, payload: bytes) -> bool:
    """Tell it of ARP; a sender of 0.0.0.0 claims nothing (RFC 5227, section 2.1.1)."""
    try:
        arp = Arp.parse(payload)
    except MalformedError:
        return False
    return arp.sender_mac == mac and (arp.sender_ip.is_unspecified or _allowed(mine, arp.sender_ip))


def _ipv4_may(mine: Sources, packet: bytes) -> bool:
    """Tell it of IPv4; who has no address yet asks for one from 0.0.0.0 (RFC 2131, section 4.1)."""
    if len(packet) < ip.IPV4_HEADER_LENGTH or packet[0] >> 4 != 4 or _header_length(packet) < ip.IPV4_HEADER_LENGTH:
        return False
    source = IPv4Address(packet[12:16])
    return _allowed(mine, source) or (source.is_unspecified and _asks_for_dhcp(packet))


def _header_length(packet: bytes) -> int:
    return (packet[0] & 0x0F) * 4


def _asks_for_dhcp(packet: bytes) -> bool:
    """Tell whether an IPv4 packet is a whole one of UDP for a DHCP server's port."""
    datagram = packet[_header_length(packet) :]
    is_fragment = int.from_bytes(packet[6:8], "big") & ip.MORE_OR_OFFSET
    is_udp = packet[9] == ip.UDP and not is_fragment and len(datagram) >= _UDP_HEADER
    return is_udp and int.from_bytes(datagram[2:4], "big") == _DHCP_SERVER


def _ipv6_may(mine: Sources, packet: bytes) -> bool:
    """Tell it of IPv6; :: is the source of duplicate address detection and of MLD (RFC 4862; RFC 3810)."""
    if len(packet) < ip.IPV6_HEADER_LENGTH or packet[0] >> 4 != 6:
        return False
    source, payload = IPv6Address(packet[8:24]), packet[ip.IPV6_HEADER_LENGTH :]
    if not _allowed(mine, source) and not (source.is_unspecified and _is_icmpv6(packet[6], payload)):
        return False
    return _target_may(mine, packet[6], payload)


def _target_may(mine: Sources, next_header: int, payload: bytes) -> bool:
    """Tell whether the target is allowed, if it is an advertisement; what extension headers hide is not (RFC 7113)."""
    try:
        reached = ip.past_extensions(next_header, payload)
    except MalformedError:
        return False
    if reached is None:
        return True
    header, message = reached
    if header != ip.ICMPV6:
        return header not in ip.EXTENSIONS
    if not message:
        return next_header == ip.ICMPV6
    return message[0] != nd.ADVERTISEMENT or (len(message) >= nd.LENGTH and _allowed(mine, IPv6Address(message[8:24])))


def _is_icmpv6(next_header: int, payload: bytes) -> bool:
    """Tell whether it is ICMPv6, alone or behind hop-by-hop options, as in MLD's messages (RFC 3810, section 5)."""
    return next_header == ip.ICMPV6 or (next_header == ip.HOP_BY_HOP and payload[:1] == bytes((ip.ICMPV6,)))


def _allowed(mine: Sources, address: IPv4Address | IPv6Address) -> bool:
    return any(not source.prefix or ip_address(address) in ip_network(source.prefix) for source in mine)
