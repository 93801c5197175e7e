# SPDX-License-Identifier: Apache-2.0
"""Random frames of tenants: every kind that the switch treats in another way, and sizes around the underlay's MTU.

MACs are numbers until the last moment: each example has MACs of its own, so that what one left behind (a cached flow
stays until another takes its place) is nothing to the next.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st

from tests.support.weights import mostly, weighted
from vxnet.packet import ethernet, ip, udp
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

_SIZES = weighted((6, st.integers(15, 150)), (1, st.sampled_from((FITS - 1, FITS, FITS + 1, 2000))))
_KINDS = st.sampled_from(
    (
        "ipv4-udp",
        "ipv4-tcp",
        "ipv4-icmp",
        "ipv4-options",
        "ipv4-fragment",
        "ipv6-udp",
        "ipv6-other",
        "arp",
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


class TenantFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as it is drawn; ``size`` is that of its bytes without tags, unless it is too little for its kind."""

    src: int
    dst: int
    kind: str
    size: int
    flow: int
    ecn: int = 0
    tags: tuple[ethernet.VlanTag, ...] = ()

    def encode(self, example: int) -> bytes:
        """Return the bytes, with the MACs of this example."""
        ethertype, payload = _payload(self.kind, self.flow, self.ecn)
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
        ecn=mostly(2, (0,), (1, 2, 3)),
        tags=_TAGS,
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
        TenantFrame, src=src, dst=dst, kind=_KINDS, size=st.integers(15, 150), flow=st.integers(0, 3), tags=tags
    )


def ordinary_frames(src: int, dst: int) -> st.SearchStrategy[TenantFrame]:
    """Unicast IP packets from one machine to another, of a size that fits everywhere."""
    kinds = st.sampled_from(("ipv4-udp", "ipv6-udp", "ipv4-tcp"))
    return st.builds(TenantFrame, src=st.just(src), dst=st.just(dst), kind=kinds, size=st.just(100), flow=st.just(0))


def _payload(kind: str, flow: int, ecn: int) -> tuple[int, bytes]:
    version, _, rest = kind.partition("-")
    match version:
        case "ipv4":
            return ethernet.IPV4, _ipv4(rest, flow, ecn)
        case "ipv6":
            return ethernet.IPV6, _ipv6(rest, flow, ecn)
        case "arp":
            return ethernet.ARP, bytes.fromhex("0001080006040001 0200000000010a000001 0000000000000a0000") + bytes(
                (flow,)
            )
        case _:
            return 0x88B5, bytes((flow,)) * 40


def _ipv4(rest: str, flow: int, ecn: int) -> bytes:
    packet = ip.IPv4(
        src=IPv4Address("10.0.0.1"),
        dst=IPv4Address("10.0.0.2"),
        protocol={"tcp": ip.TCP, "icmp": ip.ICMP}.get(rest, ip.UDP),
        tos=ecn,
        more_fragments=rest == "fragment",
        offset=flow if rest == "fragment" else 0,
        options=bytes(4) if rest == "options" else b"",
        payload=_datagram(flow),
    )
    return packet.encode()


def _ipv6(rest: str, flow: int, ecn: int) -> bytes:
    fragment = 44
    packet = ip.IPv6(
        src=IPv6Address("fd00::1"),
        dst=IPv6Address("fd00::2"),
        next_header=ip.UDP if rest == "udp" else fragment,
        traffic_class=ecn,
        payload=_datagram(flow),
    )
    return packet.encode()


def _datagram(flow: int) -> bytes:
    return udp.Udp(src_port=1000 + flow, dst_port=2000, payload=bytes(20)).encode()


def raw_macs(example: int) -> list[bytes]:
    """Return the six bytes of each machine's MAC in an example."""
    return [parse_mac(mac(example, number)) for number in range(KNOWN)]
