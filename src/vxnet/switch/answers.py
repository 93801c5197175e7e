# SPDX-License-Identifier: Apache-2.0
"""Local answers (rule 9): who asks for the MAC of a known address is told it here, and the question is not flooded.

    frame from a port of a segment, to a group MAC
      |  ARP request (RFC 826)                  neighbour solicitation (RFC 4861, section 4.3)
      |  sender not 0.0.0.0 (a probe)           source not :: (duplicate address detection)
      |  sender not the target (an announcement), its MAC the frame's, and not the answer
      v                                         v
    ARP reply                                 advertisement: solicited, override

What is asked of one machine alone (a unicast question) reaches it, and so does everything that is odd: it is flooded,
or forwarded, as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.packet import ethernet, ip, nd
from vxnet.packet.arp import REPLY, REQUEST, Arp
from vxnet.packet.errors import MalformedError
from vxnet.packet.mac import format_mac, is_group

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(macs: Mapping[str, str], frame: bytes) -> bytes | None:
    """Return the answer to a ``frame`` (14 bytes or more, untagged), or None if there is none to be given here."""
    asker, payload = format_mac(frame[6:12]), frame[ethernet.HEADER_LENGTH :]
    if not is_group(format_mac(frame[:6])):
        return None
    try:
        match int.from_bytes(frame[12:14], "big"):
            case ethernet.ARP:
                return _to_arp(macs, asker, Arp.parse(payload))
            case ethernet.IPV6:
                return _to_solicitation(macs, asker, ip.IPv6.parse(payload))
            case _:
                return None
    except MalformedError:
        return None


def _to_arp(macs: Mapping[str, str], asker: str, question: Arp) -> bytes | None:
    mac = macs.get(str(question.target_ip))
    speaks_for_itself = question.sender_mac == asker and not question.sender_ip.is_unspecified
    if question.operation != REQUEST or not speaks_for_itself or question.sender_ip == question.target_ip:
        return None
    if mac is None or mac == asker:
        return None
    reply = Arp(
        operation=REPLY,
        sender_mac=mac,
        sender_ip=question.target_ip,
        target_mac=asker,
        target_ip=question.sender_ip,
    )
    return ethernet.Ethernet(dst=asker, src=mac, ethertype=ethernet.ARP, payload=reply.encode()).encode()


def _to_solicitation(macs: Mapping[str, str], asker: str, packet: ip.IPv6) -> bytes | None:
    if packet.next_header != ip.ICMPV6 or packet.hop_limit != nd.HOP_LIMIT or not packet.dst.is_multicast:
        return None
    target = nd.Solicitation.parse(packet.payload).target
    mac = macs.get(str(target))
    if packet.src.is_unspecified or packet.src.is_multicast or packet.src == target or mac is None or mac == asker:
        return None
    said = nd.Advertisement(target=target, mac=mac).encode(target, packet.src)
    reply = ip.IPv6(src=target, dst=packet.src, next_header=ip.ICMPV6, hop_limit=nd.HOP_LIMIT, payload=said)
    return ethernet.Ethernet(dst=asker, src=mac, ethertype=ethernet.IPV6, payload=reply.encode()).encode()
