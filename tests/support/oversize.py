# SPDX-License-Identifier: Apache-2.0
"""Packets too large for a path on which IP packets of 1450 bytes fit, and the errors due: scapy's frames, to the byte.

ASKER --> IPv4, IPv6 of 1451 bytes and more --> OWNER
      <-- fragmentation needed, packet too big: 1450
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_Redirect,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.support.questions import ASKER, NOBODY, OWNER

if TYPE_CHECKING:
    from scapy.packet import Packet

FITS = 1450
"""The largest IP packet, in bytes, on a path with an IP MTU of 1500."""

V4_QUOTE, V6_QUOTE = 544, 1232
ONE, OTHER = "10.0.0.1", "10.0.0.2"
ONE6, OTHER6 = "fd00::1", "fd00::2"


def v4(inside: Packet, size: int = FITS + 1, **fields: Any) -> bytes:
    """Return the frame with an IPv4 packet of ``size`` bytes, DF set, with other fields of its header if named."""
    header = IP(**({"src": ONE, "dst": OTHER, "flags": "DF"} | fields))
    return _filled(header / inside, size)


def v6(inside: Packet, size: int = FITS + 1, **fields: Any) -> bytes:
    """Return the frame with an IPv6 packet of ``size`` bytes, with other fields of its header if named."""
    return _filled(IPv6(**({"src": ONE6, "dst": OTHER6} | fields)) / inside, size)


def _filled(packet: Packet, size: int) -> bytes:
    fill = bytes(n % 251 for n in range(size - len(packet)))
    return bytes(Ether(src=ASKER, dst=OWNER) / packet / Raw(fill))


def v4_error(frame: bytes, mtu: int = FITS) -> bytes:
    """Return the error that is due for a frame of `v4`."""
    header = IP(src=OTHER, dst=ONE, tos=0xC0, id=0, flags="DF", ttl=64)
    quote = Raw(frame[14 : 14 + V4_QUOTE])
    return bytes(Ether(src=OWNER, dst=ASKER) / header / ICMP(type=3, code=4, nexthopmtu=mtu) / quote)


def v6_error(frame: bytes, mtu: int = FITS) -> bytes:
    """Return the error that is due for a frame of `v6`."""
    quote = Raw(frame[14 : 14 + V6_QUOTE])
    return bytes(
        Ether(src=OWNER, dst=ASKER) / IPv6(src=OTHER6, dst=ONE6, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) / quote
    )


_V4 = {
    "udp": v4(UDP(sport=1000, dport=2000)),
    "tcp": v4(TCP(sport=1000, dport=2000, seq=77)),
    "much-larger": v4(UDP(), size=1900),
    "echo-request": v4(ICMP(type=8)),
    "echo-reply": v4(ICMP(type=0)),
    "options": v4(UDP(), options=[IPOption_NOP()] * 40),
    "first-fragment": v4(UDP(), flags="DF+MF"),
    "class-of-service": v4(UDP(), tos=0x2E, id=777, ttl=3),
    "padded": v4(UDP()) + bytes(30),
}
_V6 = {
    "udp": v6(UDP(sport=1000, dport=2000)),
    "tcp": v6(TCP(sport=1000, dport=2000, seq=77)),
    "much-larger": v6(UDP(), size=1900),
    "class-and-label": v6(UDP(), tc=5, fl=77),
    "echo-request": v6(ICMPv6EchoRequest()),
    "options": v6(IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting() / UDP()),
    "options-and-echo": v6(IPv6ExtHdrHopByHop() / ICMPv6EchoRequest()),
    "first-fragment": v6(IPv6ExtHdrFragment(offset=0, m=1) / UDP()),
    "padded": v6(UDP()) + bytes(30),
}

TOLD = {f"ipv4-{name}": (frame, v4_error(frame)) for name, frame in _V4.items()}
TOLD |= {f"ipv6-{name}": (frame, v6_error(frame)) for name, frame in _V6.items()}
"""Frame, and the frame that comes back."""

UNTOLD = {
    "ipv4-may-be-fragmented": v4(UDP(), flags=0),
    "ipv4-later-fragment": v4(UDP(), frag=100),
    "ipv4-checksum": v4(UDP(), chksum=1),
    "ipv4-version": v4(UDP(), version=5),
    "ipv4-header-length": v4(UDP(), ihl=4),
    "ipv4-longer-than-it-is": v4(UDP(), len=1500),
    "ipv4-small-in-a-large-frame": v4(UDP(), size=1000) + bytes(600),
    **{f"ipv4-icmp-{kind}": v4(ICMP(type=kind)) for kind in (3, 4, 5, 11, 12)},
    "ipv4-icmp-behind-options": v4(ICMP(type=3), options=[IPOption_NOP()] * 8),
    **{f"ipv4-from-{n}": v4(UDP(), src=n) for n in (NOBODY, "127.0.0.1", "224.0.0.1", "255.255.255.255")},
    **{f"ipv4-to-{n}": v4(UDP(), dst=n) for n in ("0.0.0.1", "239.1.1.1", "255.255.255.255")},
    "ipv6-later-fragment": v6(IPv6ExtHdrFragment(offset=185, m=1) / UDP()),
    "ipv6-error": v6(ICMPv6TimeExceeded()),
    "ipv6-redirect": v6(ICMPv6ND_Redirect()),
    "ipv6-error-behind-options": v6(IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ICMPv6TimeExceeded()),
    "ipv6-much-wrapped": v6(
        IPv6ExtHdrDestOpt()
        / IPv6ExtHdrDestOpt()
        / IPv6ExtHdrDestOpt()
        / IPv6ExtHdrDestOpt()
        / IPv6ExtHdrDestOpt()
        / UDP()
    ),
    "ipv6-options-longer-than-it": v6(IPv6ExtHdrHopByHop(len=255, nh=60) / UDP()),
    "ipv6-version": v6(UDP(), version=4),
    "ipv6-longer-than-it-is": v6(UDP(), plen=1500),
    "ipv6-small-in-a-large-frame": v6(UDP(), size=1000) + bytes(600),
    **{f"ipv6-from-{n}": v6(UDP(), src=n) for n in ("::", "::1", "ff02::1")},
    **{f"ipv6-to-{n}": v6(UDP(), dst=n) for n in ("::1", "ff02::1")},
}
"""Those that are dropped, and nobody is told."""
