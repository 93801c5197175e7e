# SPDX-License-Identifier: Apache-2.0
"""What a secured port may send and what it may not: scapy's frames, for the reference switch and for the programs.

OWN has one IPv4 and two IPv6 addresses, WIDE a prefix of each, FREE any; nobody else is at the port.
"""

from __future__ import annotations

from typing import Any

from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, TCP, UDP, IPOption_EOL, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    RouterAlert,
)
from scapy.layers.l2 import ARP, LLC, Ether
from scapy.packet import Packet, Raw

from vxnet.model import Source

OWN, WIDE, FREE, STRANGER = (f"02:00:00:00:00:0{n}" for n in (1, 2, 3, 9))
TO = "02:00:00:00:00:99"
ALL = "ff:ff:ff:ff:ff:ff"
NODES = "33:33:00:00:00:01"
LINK_LOCAL = "fe80::ff:fe00:1"

SOURCES = (
    Source(OWN, "10.0.0.1/32"),
    Source(OWN, "fd00::1/128"),
    Source(OWN, f"{LINK_LOCAL}/128"),
    Source(WIDE, "10.0.1.0/24"),
    Source(WIDE, "fd00:1::/64"),
    Source(FREE),
)

OPTIONS = [IPOption_NOP(), IPOption_NOP(), IPOption_NOP(), IPOption_EOL()]

NOBODY = "0.0.0.0"  # noqa: S104  (bound to nothing)


def frame(packet: Packet, src: str = OWN, dst: str = TO) -> bytes:
    """Return the bytes of a frame with this packet."""
    return bytes(Ether(src=src, dst=dst) / packet)


def cut(packet: Packet, payload: int, src: str = OWN) -> bytes:
    """Return a frame that ends after so many bytes behind its Ethernet header."""
    return frame(packet, src)[: 14 + payload]


def ipv4(src: str, **fields: Any) -> Packet:
    """Return a UDP packet."""
    return IP(src=src, dst="10.0.0.2", **fields) / UDP(sport=1000, dport=2000) / b"hello"


def ipv6(src: str) -> Packet:
    """Return a UDP packet."""
    return IPv6(src=src, dst="fd00::2") / UDP(sport=1000, dport=2000) / b"hello"


def asks(src: str, mac: str = OWN, **fields: Any) -> Packet:
    """Return an ARP packet, a request unless ``op`` says otherwise."""
    return ARP(hwsrc=mac, psrc=src, pdst="10.0.0.2", **fields)


def dhcp(**fields: Any) -> Packet:
    """Return a DHCP client's first words."""
    return IP(src=NOBODY, dst="255.255.255.255", **fields) / UDP(sport=68, dport=67) / BOOTP(op=1)


def says(target: str, src: str = LINK_LOCAL, *behind: Packet) -> Packet:
    """Return a neighbour advertisement, behind extension headers."""
    packet = IPv6(src=src, dst="ff02::1", hlim=255)
    for header in behind:
        packet /= header.copy()
    return packet / ICMPv6ND_NA(tgt=target, S=0, O=1)


_MLD = ICMPv6MLReport2()
_HOP_BY_HOP = IPv6ExtHdrHopByHop(options=RouterAlert())
_OPTIONS, _ROUTING, _FRAGMENT = IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(type=4), IPv6ExtHdrFragment()
_LATER = IPv6ExtHdrFragment(offset=3, nh=58)

ALLOWED = {
    "ipv4": frame(ipv4("10.0.0.1")),
    "ipv4-with-options": frame(IP(src="10.0.0.1", dst="10.0.0.2", options=OPTIONS) / UDP()),
    "ipv4-fragment": frame(ipv4("10.0.0.1", frag=3)),
    "ipv4-in-prefix": frame(ipv4("10.0.1.77"), WIDE),
    "ipv4-any": frame(ipv4("192.0.2.1"), FREE),
    "ipv4-nobody-any": frame(IP(src=NOBODY, dst="10.0.0.2") / TCP(), FREE),
    "ipv6": frame(ipv6("fd00::1")),
    "ipv6-link-local": frame(IPv6(src=LINK_LOCAL, dst="ff02::1") / ICMPv6EchoRequest(), dst=NODES),
    "ipv6-in-prefix": frame(ipv6("fd00:1::77"), WIDE),
    "ipv6-any": frame(ipv6("2001:db8::1"), FREE),
    "ipv6-nothing-behind-it": cut(IPv6(src="fd00::1", dst="fd00::2", nh=58), 40),
    "arp-request": frame(asks("10.0.0.1"), dst=ALL),
    "arp-reply": frame(asks("10.0.0.1", op=2)),
    "arp-probe": frame(asks(NOBODY), dst=ALL),
    "arp-any": frame(asks("192.0.2.1", FREE), FREE),
    "dhcp": frame(dhcp(), dst=ALL),
    "dhcp-unicast": frame(dhcp()),
    "dhcp-with-options": frame(dhcp(options=OPTIONS), dst=ALL),
    "dad": frame(IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd00::1"), dst=NODES),
    "mld": frame(IPv6(src="::", dst="ff02::16", hlim=1) / _HOP_BY_HOP / _MLD, dst=NODES),
    "advertisement": frame(says("fd00::1"), dst=NODES),
    "advertisement-any": frame(says("2001:db8::1", "fe80::9"), FREE, NODES),
    "advertisement-behind-options": frame(says("fd00::1", LINK_LOCAL, _OPTIONS), dst=NODES),
    "advertisement-behind-four": frame(says("fd00::1", LINK_LOCAL, _HOP_BY_HOP, _OPTIONS, _ROUTING, _FRAGMENT)),
    "solicitation-behind-options": frame(
        IPv6(src="fd00::1", dst="ff02::1:ff00:2", hlim=255) / _OPTIONS / ICMPv6ND_NS(tgt="fd00::2"), dst=NODES
    ),
    "ipv6-behind-four": frame(
        IPv6(src="fd00::1", dst="fd00::2") / _HOP_BY_HOP / _OPTIONS / _ROUTING / _FRAGMENT / UDP()
    ),
    "ipv6-later-fragment": frame(IPv6(src="fd00::1", dst="fd00::2") / _LATER / Raw(b"\x88" + bytes(31))),
    "other-ethertype": bytes(Ether(src=OWN, dst=TO, type=0x88B5) / Raw(bytes(46))),
    "llc": bytes(Ether(src=OWN, dst=TO, type=40) / LLC() / Raw(bytes(37))),
}

REFUSED = {
    "ipv4-mac": frame(ipv4("10.0.0.1"), STRANGER),
    "ipv4-others": frame(ipv4("10.0.0.3")),
    "ipv4-of-another-mac": frame(ipv4("10.0.1.77")),
    "ipv4-beside-prefix": frame(ipv4("10.0.2.1"), WIDE),
    "ipv4-nobody": frame(IP(src=NOBODY, dst="10.0.0.2") / TCP(dport=67)),
    "ipv4-nobody-udp": frame(ipv4(NOBODY)),
    "ipv4-ihl": frame(ipv4("10.0.0.1", ihl=4)),
    "ipv4-version": frame(ipv4("10.0.0.1", version=5)),
    "ipv4-short": cut(ipv4("10.0.0.1"), 19),
    "ipv4-short-any": cut(ipv4("10.0.0.1"), 19, FREE),
    "ipv6-mac": frame(ipv6("fd00::1"), STRANGER),
    "ipv6-others": frame(ipv6("fd00::3")),
    "ipv6-beside-prefix": frame(ipv6("fd00:1:0:1::1"), WIDE),
    "ipv6-nobody": frame(ipv6("::")),
    "ipv6-nobody-hop-by-hop": frame(IPv6(src="::", dst="fd00::2") / _HOP_BY_HOP / UDP()),
    "ipv6-mapped": frame(ipv6("::ffff:10.0.0.1")),
    "ipv6-version": b"".join((frame(ipv6("fd00::1"))[:14], b"\x50", frame(ipv6("fd00::1"))[15:])),
    "ipv6-short": cut(ipv6("fd00::1"), 39),
    "arp-mac": frame(asks("10.0.0.1", STRANGER), STRANGER, ALL),
    "arp-others": frame(asks("10.0.0.3"), dst=ALL),
    "arp-sender-mac": frame(asks("10.0.0.1", STRANGER), dst=ALL),
    "arp-reply-others": frame(asks("10.0.0.3", op=2)),
    "arp-hardware": frame(asks("10.0.0.1", hwtype=6), dst=ALL),
    "arp-protocol": frame(asks("10.0.0.1", ptype=0x88B5), dst=ALL),
    "arp-short": cut(asks("10.0.0.1"), 27),
    "arp-short-any": cut(asks("192.0.2.1", FREE), 27, FREE),
    "dhcp-mac": frame(dhcp(), STRANGER, ALL),
    "dhcp-fragment": frame(dhcp(flags="MF"), dst=ALL),
    "dhcp-answer": frame(IP(src=NOBODY, dst="10.0.0.2") / UDP(sport=67, dport=68) / BOOTP(op=2)),
    "dhcp-short": cut(dhcp(), 27),
    "dad-mac": frame(IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd00::1"), STRANGER, NODES),
    "advertisement-others": frame(says("fd00::2"), dst=NODES),
    "advertisement-others-nobody": frame(says("fd00::2", "::"), dst=NODES),
    "advertisement-others-from-own": frame(says("fd00::2", "fd00::1")),
    "advertisement-short": cut(says("fd00::1"), 63),
    "advertisement-others-behind-options": frame(says("fd00::2", LINK_LOCAL, _OPTIONS), dst=NODES),
    "advertisement-others-behind-hop-by-hop": frame(says("fd00::2", LINK_LOCAL, _HOP_BY_HOP), dst=NODES),
    "advertisement-others-behind-fragment": frame(says("fd00::2", LINK_LOCAL, _FRAGMENT), dst=NODES),
    "advertisement-others-behind-four": frame(says("fd00::2", LINK_LOCAL, _HOP_BY_HOP, _OPTIONS, _ROUTING, _FRAGMENT)),
    "advertisement-behind-five": frame(says("fd00::1", LINK_LOCAL, *[_OPTIONS] * 5)),
    "advertisement-behind-options-short": cut(says("fd00::1", LINK_LOCAL, _OPTIONS), 71),
    "ipv6-options-short": cut(IPv6(src="fd00::1", dst="fd00::2") / _OPTIONS / UDP(), 43),
    "icmpv6-behind-options-short": cut(says("fd00::1", LINK_LOCAL, _OPTIONS), 48),
    "other-ethertype-mac": bytes(Ether(src=STRANGER, dst=TO, type=0x88B5) / Raw(bytes(46))),
    "llc-mac": bytes(Ether(src=STRANGER, dst=TO, type=40) / LLC() / Raw(bytes(37))),
}
