# SPDX-License-Identifier: Apache-2.0
"""Questions for the MACs of neighbours, and the answers that are due: scapy's frames, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

if TYPE_CHECKING:
    from scapy.packet import Packet

ASKER, OWNER, OTHER = (f"02:00:00:00:01:0{n}" for n in (1, 2, 3))
MACS = {"10.0.0.2": OWNER, "fd00::2": OWNER, "10.0.0.1": ASKER, "fd00::1": ASKER}
"""The neighbours: an owner, and the asker itself."""

ALL, NODES = "ff:ff:ff:ff:ff:ff", "33:33:ff:00:00:02"
NOBODY = "0.0.0.0"  # noqa: S104  (bound to nothing)


def arp(to: str = ALL, **fields: Any) -> bytes:
    """Return the question who has 10.0.0.2, from 10.0.0.1, with other fields if named."""
    return bytes(Ether(src=ASKER, dst=to) / ARP(**({"hwsrc": ASKER, "psrc": "10.0.0.1", "pdst": "10.0.0.2"} | fields)))


def ns(to: str = NODES, target: str = "fd00::2", code: int = 0, mac: str | None = ASKER, **fields: Any) -> bytes:
    """Return the question who has fd00::2, from fd00::1, with other fields of the IPv6 header if named."""
    chosen: dict[str, Any] = {"src": "fd00::1", "dst": "ff02::1:ff00:2", "hlim": 255} | fields
    header = IPv6(**chosen)
    message: Packet = ICMPv6ND_NS(tgt=target, code=code)
    return bytes(Ether(src=ASKER, dst=to) / header / (message / ICMPv6NDOptSrcLLAddr(lladdr=mac) if mac else message))


ARP_ANSWER = bytes(
    Ether(src=OWNER, dst=ASKER) / ARP(op=2, hwsrc=OWNER, psrc="10.0.0.2", hwdst=ASKER, pdst="10.0.0.1"),
)
ND_ANSWER = bytes(
    Ether(src=OWNER, dst=ASKER)
    / IPv6(src="fd00::2", dst="fd00::1", hlim=255)
    / ICMPv6ND_NA(tgt="fd00::2", R=0, S=1, O=1)
    / ICMPv6NDOptDstLLAddr(lladdr=OWNER)
)

ANSWERED = {
    "arp": (arp(), ARP_ANSWER),
    "arp-padded": (arp() + bytes(18), ARP_ANSWER),
    "arp-to-a-group": (arp("01:00:5e:00:00:01"), ARP_ANSWER),
    "ns": (ns(), ND_ANSWER),
    "ns-without-option": (ns(mac=None), ND_ANSWER),
    "ns-padded": (ns() + bytes(30), ND_ANSWER),
    "ns-with-class-and-label": (ns(tc=5, fl=77), ND_ANSWER),
}

FLOODED = {
    "arp-announcement": arp(psrc="10.0.0.2"),
    "arp-probe": arp(psrc=NOBODY),
    "arp-for-ones-own": arp(psrc="10.0.0.9", pdst="10.0.0.1"),
    "arp-unknown": arp(pdst="10.0.0.3"),
    "arp-reply": arp(op=2),
    "arp-for-somebody-else": arp(hwsrc=OTHER),
    "arp-hardware": arp(hwtype=6),
    "arp-short": arp()[:-1],
    "ns-unknown": ns(target="fd00::3"),
    "ns-mapped": ns(target="::ffff:10.0.0.2"),
    "ns-for-ones-own": ns(src="fd00::9", target="fd00::1"),
    "ns-announcement": ns(src="fd00::2"),
    "dad": ns(src="::", mac=None),
    "ns-from-a-group": ns(src="ff02::1"),
    "ns-hop-limit": ns(hlim=254),
    "ns-to-one-in-a-group-frame": ns(dst="fd00::2"),
    "ns-code": ns(code=1),
    "ns-short": ns(mac=None)[:-1],
    "ns-longer-than-it-is": ns(plen=33),
    "ns-shorter-than-it-may": ns(plen=23),
    "ns-version": ns(version=5),
}
"""Those that have a group MAC and yet no answer."""

UNICAST = {"arp": arp(OWNER), "ns": ns(OWNER)}
