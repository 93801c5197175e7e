# SPDX-License-Identifier: Apache-2.0
"""Random frames of tenants: every kind that the switch treats in another way, and sizes around the underlay's MTU.

MACs are numbers until the last moment: each example has MACs of its own, so that what one left behind (a cached flow
stays until another takes its place) is nothing to the next. A machine's addresses are the same in all examples.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st

from tests.support.weights import mostly, weighted
from vxnet.packet import ethernet, ip, nd, udp
from vxnet.packet.arp import REPLY, REQUEST, Arp
from vxnet.packet.mac import BROADCAST, ZERO, parse_mac

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN = 6
"""How many machines there are; the numbers from here on are special addresses."""

_SPECIAL = (BROADCAST, "01:00:5e:01:01:01", "33:33:00:00:00:01", "01:80:c2:00:00:0e", ZERO)

_SHORTEST = {"ipv4": 34, "ipv6": 54}
"""Bytes. Linux's VXLAN device takes no frame that ends inside its IP header, and any other must have a payload."""

FITS = 1500 - 36
"""The largest frame, in bytes, that an underlay with an MTU of 1500 can carry."""

_LARGE = st.sampled_from((FITS - 1, FITS, FITS + 1, 2000))
_SIZES = weighted((6, st.integers(15, 150)), (1, _LARGE))
_KINDS = st.sampled_from(
    (
        "ipv4-udp",
        "ipv4-tcp",
        "ipv4-icmp",
        "ipv4-options",
        "ipv4-fragment",
        "ipv6-udp",
        "ipv6-other",
        "ipv4-ihl",
        "ipv4-dhcp",
        "ipv6-mld",
        "ipv6-ns",
        "ipv6-ns",
        "ipv6-na",
        "ipv6-odd",
        "arp",
        "arp",
        "arp-reply",
        "arp-odd",
        "other",
        "llc",
    )
)
_TAG = st.builds(
    ethernet.VlanTag,
    vid=st.sampled_from((0, 7, 4095)),
    pcp=st.integers(0, 7),
    tpid=st.sampled_from((ethernet.DOT1Q, ethernet.DOT1AD)),
)
_TAGS = weighted((12, st.just(())), (1, st.lists(_TAG, min_size=1, max_size=2).map(tuple)))
_SOURCES = mostly(15, range(KNOWN), range(KNOWN, KNOWN + len(_SPECIAL)))
_DESTINATIONS = mostly(4, range(KNOWN), range(KNOWN, KNOWN + len(_SPECIAL)))


_SAYS = mostly(8, range(KNOWN), (KNOWN,))


class TenantFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as it is drawn; ``size`` is that of its bytes without tags, unless it is too little for its kind.

    One with tags has no ECN: of those the kernel reads the field in a tag's place.

    Its source address is that of the machine ``says``, whoever sends it; it goes to that of ``asks``, or asks for it.
    """

    src: int
    dst: int
    kind: str
    size: int
    flow: int
    says: int = 0
    asks: int = 1
    ecn: int = 0
    tags: tuple[ethernet.VlanTag, ...] = ()

    def encode(self, example: int) -> bytes:
        """Return the bytes, with the MACs of this example."""
        if self.tags and self.ecn:
            return msgspec.structs.replace(self, ecn=0).encode(example)
        ethertype, payload = self._payload(example)
        size = max(self.size, _SHORTEST.get(self.kind[:4], 0))
        payload = (payload + bytes(size))[: size - ethernet.HEADER_LENGTH]
        if self.kind == "llc":
            ethertype = len(payload) & 0x5FF
        # A frame that ends inside a tag is dropped by the kernel before any program sees it.
        shortest = 6 if self.tags else 0
        return ethernet.Ethernet(
            dst=mac(example, self.dst),
            src=mac(example, self.src),
            ethertype=ethertype,
            tags=self.tags,
            payload=payload.ljust(shortest, b"\0"),
        ).encode()

    def _payload(self, example: int) -> tuple[int, bytes]:
        version, _, rest = self.kind.partition("-")
        match version:
            case "ipv4":
                return ethernet.IPV4, _ipv4(self, rest)
            case "ipv6":
                return ethernet.IPV6, _ipv6(self, rest, mac(example, self.src))
            case "arp":
                return ethernet.ARP, _arp(self, rest, mac(example, self.flow if rest == "odd" else self.src))
            case _:
                return 0x88B5, bytes((self.flow,)) * 40


def mac(example: int, number: int) -> str:
    """Return the MAC of a machine in an example, or a special one, which is the same in all."""
    if number >= KNOWN:
        return _SPECIAL[number - KNOWN]
    return f"02:{example >> 16 & 0xFF:02x}:{example >> 8 & 0xFF:02x}:{example & 0xFF:02x}:00:{number:02x}"


def tenant_frames() -> st.SearchStrategy[TenantFrame]:
    """Frames of all kinds, most of them with nothing against them."""
    return st.builds(
        TenantFrame,
        src=_SOURCES,
        dst=_DESTINATIONS,
        kind=_KINDS,
        size=_SIZES,
        flow=st.integers(0, 3),
        says=_SAYS,
        asks=st.integers(0, KNOWN),
        ecn=mostly(2, (0,), (1, 2, 3)),
        tags=_TAGS,
    )


def large_frames(src: int, dst: int) -> st.SearchStrategy[TenantFrame]:
    """Unicast from one machine to another, IP packets for the most part, around the largest that fit."""
    return st.builds(
        TenantFrame,
        src=st.just(src),
        dst=st.just(dst),
        kind=st.sampled_from(("ipv4-full", "ipv4-full", "ipv6-full", "ipv6-full", "ipv4-udp", "arp")),
        size=_LARGE,
        flow=st.integers(0, 3),
        says=_SAYS,
        asks=_SAYS,
        ecn=st.integers(0, 3),
    )


def bridged_frames(
    vids: Sequence[int],
    src: st.SearchStrategy[int] = _SOURCES,
    dst: st.SearchStrategy[int] = _DESTINATIONS,
) -> st.SearchStrategy[TenantFrame]:
    """Frames for a bridge: half of them with a tag of these VLAN IDs, some with two, some link-local."""
    kinds = st.sampled_from((ethernet.DOT1Q, ethernet.DOT1Q, ethernet.DOT1AD))
    priorities = st.sampled_from((0, 3, 7))
    tag = st.builds(ethernet.VlanTag, vid=st.sampled_from(vids), tpid=kinds, pcp=priorities, dei=st.booleans())
    tags = weighted((4, st.just(())), (4, st.tuples(tag)), (1, st.tuples(tag, tag)))
    return st.builds(
        TenantFrame,
        src=src,
        dst=dst,
        kind=_KINDS,
        size=st.integers(15, 150),
        flow=st.integers(0, 3),
        says=_SAYS,
        asks=st.integers(0, KNOWN),
        tags=tags,
    )


def ordinary_frames(src: int, dst: int) -> st.SearchStrategy[TenantFrame]:
    """Unicast IP packets from one machine to another, of a size that fits everywhere; some with another's address."""
    kinds = st.sampled_from(("ipv4-udp", "ipv6-udp", "ipv4-tcp"))
    return st.builds(
        TenantFrame,
        src=st.just(src),
        dst=st.just(dst),
        kind=kinds,
        size=st.just(100),
        flow=st.just(0),
        says=mostly(3, (src,), range(KNOWN + 1)),
    )


def ipv4_address(number: int) -> IPv4Address:
    """Return the IPv4 address of a machine; from `KNOWN` on, 0.0.0.0."""
    return IPv4Address("10.0.0.0") + number + 1 if number < KNOWN else IPv4Address(0)


def ipv6_address(number: int) -> IPv6Address:
    """Return the IPv6 address of a machine; from `KNOWN` on, ::."""
    return IPv6Address("fd00::") + number + 1 if number < KNOWN else IPv6Address(0)


def _arp(frame: TenantFrame, rest: str, sender_mac: str) -> bytes:
    packet = Arp(
        operation=REPLY if rest == "reply" else REQUEST,
        sender_mac=sender_mac,
        sender_ip=ipv4_address(frame.says),
        target_ip=ipv4_address(frame.asks),
    ).encode()
    # Ethernet is hardware type 1; all others are odd.
    return packet if rest != "odd" or frame.flow else b"\0\6" + packet[2:]


_TYPES = (0, 1, 2, 3, 4, 5, 8, 11, 12, 128, 137)
"""Of ICMP and ICMPv6: errors, and what is none."""


def _full(frame: TenantFrame, header: int) -> bytes:
    """Return what fills an IP packet up to the end of its frame; an ICMP message of any type."""
    kind = _TYPES[(frame.asks + frame.says + frame.ecn) % len(_TYPES)]
    return (bytes((kind, 0)) + bytes(range(250)) * 8)[: frame.size - ethernet.HEADER_LENGTH - header]


def _ipv4(frame: TenantFrame, rest: str) -> bytes:
    if rest == "full":
        return ip.IPv4(
            src=ipv4_address(frame.says),
            dst=ipv4_address(frame.asks),
            protocol=ip.ICMP if frame.flow == 1 else ip.UDP,
            tos=frame.ecn,
            dont_fragment=frame.flow < 3,
            offset=frame.ecn if frame.flow == 2 else 0,
            payload=_full(frame, ip.IPV4_HEADER_LENGTH),
        ).encode()
    is_dhcp = rest == "dhcp"
    packet = ip.IPv4(
        src=ipv4_address(KNOWN if is_dhcp else frame.says),
        dst=ipv4_address(frame.asks),
        protocol={"tcp": ip.TCP, "icmp": ip.ICMP}.get(rest, ip.UDP),
        tos=frame.ecn,
        more_fragments=rest == "fragment",
        offset=frame.flow if rest == "fragment" else 0,
        options=bytes(4) if rest == "options" or (is_dhcp and frame.flow == 1) else b"",
        payload=_datagram(frame.flow, 67 + (frame.flow == 2) if is_dhcp else 2000),
    ).encode()
    # A header of four words, or of another version.
    return packet if rest != "ihl" else bytes((0x44 if frame.flow % 2 else 0x55,)) + packet[1:]


def _ipv6(frame: TenantFrame, rest: str, sender_mac: str) -> bytes:
    hop_by_hop, fragment = 0, 44
    src, dst = ipv6_address(frame.says), ipv6_address(frame.asks)
    multicast, target = IPv6Address("ff02::1:ff00:1"), ipv6_address(frame.flow)
    next_header, payload, hop_limit = ip.ICMPV6, _datagram(frame.flow, 2000), 64
    match rest:
        case "ns":
            dst, hop_limit = multicast, nd.HOP_LIMIT - (frame.flow == 1)
            payload = nd.Solicitation(target=ipv6_address(frame.asks), mac=sender_mac).encode(src, dst)
            payload = payload if frame.flow else payload[: nd.LENGTH]
        case "na":
            payload = nd.Advertisement(target=target, mac=sender_mac).encode(src, dst)
        case "mld":
            src, dst, next_header = ipv6_address(KNOWN), multicast, hop_by_hop
            payload = bytes((ip.ICMPV6 if frame.flow else ip.UDP, 0, 5, 2, 0, 0, 1, 0)) + bytes(24)
        case "full":
            payload = _full(frame, ip.IPV6_HEADER_LENGTH)
            if frame.flow == 2:
                next_header, payload = fragment, bytes((ip.UDP, 0, 0, frame.ecn << 2)) + payload[4:]
            elif frame.flow == 3:
                next_header, payload = hop_by_hop, bytes((ip.ICMPV6, 0, 1, 4, 0, 0, 0, 0)) + payload[:-8]
        case "odd":
            payload = bytes((nd.SOLICITATION, frame.flow)) + bytes(30)
        case _:
            next_header = ip.UDP if rest == "udp" else fragment
    packet = ip.IPv6(
        src=src, dst=dst, next_header=next_header, hop_limit=hop_limit, traffic_class=frame.ecn, payload=payload
    ).encode()
    return packet if rest != "odd" or frame.flow else b"\x50" + packet[1:]


def _datagram(flow: int, dst_port: int) -> bytes:
    return udp.Udp(src_port=1000 + flow, dst_port=dst_port, payload=bytes(20)).encode()


def raw_macs(example: int) -> list[bytes]:
    """Return the six bytes of each machine's MAC in an example."""
    return [parse_mac(mac(example, number)) for number in range(KNOWN)]
