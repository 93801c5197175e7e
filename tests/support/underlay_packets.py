# SPDX-License-Identifier: Apache-2.0
"""Random packets from the underlay: good ones, and those with one thing wrong or unusual."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st

from tests.support.board import LOCAL, LOCAL6, REMOTES, REMOTES6, UNDERLAY_MAC, group_mac, next_hop_mac
from tests.support.tenant_frames import TenantFrame, tenant_frames
from tests.support.weights import mostly, weighted
from vxnet.packet import ip, udp, vxlan

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUPS = (IPv4Address("239.1.1.1"), IPv4Address("239.129.1.1"))
"""Two groups with one MAC (RFC 1112, section 6.4): only the address tells them apart."""

GROUPS6 = (IPv6Address("ff05::101"), IPv6Address("ff08::101"))
"""The same over IPv6 (RFC 2464, section 7)."""

VNIS = (1, 10, 5001, 2**24 - 1)

_STRANGE = {
    "0.0.0.0": "::",  # noqa: S104  (bound to nothing)
    "0.1.2.3": "fd00:99::3",
    "127.0.0.1": "::1",
    "224.0.0.9": "ff02::9",
    "240.0.0.1": "::ffff:192.168.146.136",
    "255.255.255.255": "fd00:99::ffff",
}
_SOURCES = mostly(20, REMOTES, (*map(IPv4Address, _STRANGE), LOCAL))
_ELSEWHERE = tuple(map(IPv4Address, ("192.168.146.77", "239.7.7.7")))
_ELSEWHERE6 = tuple(map(IPv6Address, ("fd00:92::77", "ff05::777")))

AS_IPV6 = {
    LOCAL: LOCAL6,
    **dict(zip((*REMOTES, *GROUPS, *_ELSEWHERE), (*REMOTES6, *GROUPS6, *_ELSEWHERE6), strict=True)),
    **{IPv4Address(one): IPv6Address(other) for one, other in _STRANGE.items()},
}
"""What stands for an IPv4 address where the underlay is IPv6."""
_DESTINATIONS = weighted(
    (12, st.just(LOCAL)),
    (4, st.sampled_from(GROUPS)),
    (1, st.sampled_from(_ELSEWHERE)),
)

_I = 0x08000000
_RESERVED = st.integers(0, 2**32 - 1)


class UnderlayPacket(msgspec.Struct, frozen=True, kw_only=True):
    """A packet as it is drawn.

    ``flags`` and ``last`` are the VXLAN header's first word and last byte; ``udp_extra`` and ``ip_extra`` are added to
    the lengths that UDP and IP state; ``cut`` bytes are missing at the end, or ``pad`` bytes follow. ``inner_length``
    is how much is left of a frame without tags. With ``over_ipv6`` it goes between the addresses of `AS_IPV6`.
    """

    src: IPv4Address
    dst: IPv4Address
    vni: int
    inner: TenantFrame
    flags: int = _I
    last: int = 0
    checksum: str = "none"
    ip_checksum: bool = True
    udp_extra: int = 0
    ip_extra: int = 0
    cut: int = 0
    pad: int = 0
    inner_length: int = 1 << 16
    tos: int = 0
    ttl: int = 64
    fragment: bool = False
    protocol: int = ip.UDP
    other_port: bool = False
    over_ipv6: bool = False

    def encode(self, example: int, dstport: int) -> bytes:
        """Return the bytes with the outer Ethernet header."""
        frame = self.inner.encode(example)
        if not self.inner.tags:
            frame = frame[: self.inner_length]
        header = struct.pack("!II", self.flags, self.vni << 8 | self.last)
        port = dstport + 1 if self.other_port else dstport
        datagram = udp.Udp(src_port=50000, dst_port=port, payload=header + frame)
        src, dst = (AS_IPV6[self.src], AS_IPV6[self.dst]) if self.over_ipv6 else (self.src, self.dst)
        if self.checksum != "none":
            datagram = datagram.with_checksum(src, dst)
        raw = bytearray(datagram.encode())
        if self.checksum == "wrong":
            raw[7] ^= 0x5A
        _add(raw, 4, self.udp_extra)
        outer = self._over_ipv6(bytes(raw), example) if self.over_ipv6 else self._over_ipv4(bytes(raw), example)
        dst_mac = group_mac(dst) if dst.is_multicast else UNDERLAY_MAC
        whole = vxlan.onto_ethernet(outer, src_mac=next_hop_mac(src), dst_mac=dst_mac)
        return whole[: max(14, len(whole) - self.cut)] + bytes(self.pad)

    @property
    def _tos(self) -> int:
        return self.tos & ~3 if self.inner.tags else self.tos

    def _over_ipv4(self, datagram: bytes, example: int) -> bytes:
        packet = ip.IPv4(
            src=self.src,
            dst=self.dst,
            protocol=self.protocol,
            ttl=self.ttl,
            tos=self._tos,
            identification=example & 0xFFFF,
            more_fragments=self.fragment,
            payload=datagram,
        )
        outer = bytearray(packet.encode())
        _add(outer, 2, self.ip_extra)
        _right_checksum(outer)
        if not self.ip_checksum:
            outer[10] ^= 0x5A
        return bytes(outer)

    def _over_ipv6(self, datagram: bytes, example: int) -> bytes:
        # The fragment header (RFC 8200, section 4.5): the first of several.
        fragment = struct.pack("!BBHI", self.protocol, 0, 1, example) if self.fragment else b""
        packet = ip.IPv6(
            src=AS_IPV6[self.src],
            dst=AS_IPV6[self.dst],
            next_header=44 if self.fragment else self.protocol,
            hop_limit=self.ttl,
            traffic_class=self._tos,
            payload=fragment + datagram,
        )
        outer = bytearray(packet.encode())
        _add(outer, 4, self.ip_extra)
        return bytes(outer)


_ODD = st.one_of(
    st.fixed_dictionaries({"flags": _RESERVED, "last": st.integers(0, 255)}),
    st.fixed_dictionaries({"flags": _RESERVED.map(lambda flags: flags | _I), "last": st.integers(0, 255)}),
    st.fixed_dictionaries({"flags": st.just(0)}),
    st.fixed_dictionaries({"checksum": st.sampled_from(("right", "wrong"))}),
    st.fixed_dictionaries({"checksum": st.just("right"), "flags": _RESERVED, "last": st.integers(0, 255)}),
    st.fixed_dictionaries({"ip_checksum": st.just(value=False)}),
    st.fixed_dictionaries({"udp_extra": st.integers(-60, 3)}),
    st.fixed_dictionaries({"ip_extra": st.integers(-80, 3)}),
    st.fixed_dictionaries({"cut": st.integers(1, 80)}),
    st.fixed_dictionaries({"inner_length": st.integers(14, 60), "tos": st.integers(0, 3)}),
    st.fixed_dictionaries({"inner_length": st.integers(14, 100), "checksum": st.sampled_from(("right", "wrong"))}),
    st.fixed_dictionaries({"pad": st.integers(1, 30)}),
    st.fixed_dictionaries({"tos": st.integers(0, 255), "ttl": st.integers(0, 255)}),
    st.fixed_dictionaries({"fragment": st.just(value=True)}),
    st.fixed_dictionaries({"protocol": st.sampled_from((ip.TCP, 47))}),
    st.fixed_dictionaries({"other_port": st.just(value=True)}),
)


_NEVER = st.just(value=False)


@st.composite
def underlay_packets(
    draw: st.DrawFn, vnis: Sequence[int], over_ipv6: st.SearchStrategy[bool] = _NEVER
) -> UnderlayPacket:
    """Packets of which two in three are as they should be, most of them for one of ``vnis``."""
    odd = draw(weighted((2, st.just({})), (1, _ODD)))
    return UnderlayPacket(
        src=draw(_SOURCES),
        dst=draw(_DESTINATIONS),
        vni=draw(mostly(12, vnis or VNIS, (0, 99, *VNIS))),
        inner=draw(tenant_frames()),
        over_ipv6=draw(over_ipv6),
        **odd,
    )


def _add(data: bytearray, at: int, extra: int) -> None:
    """Add to a 16-bit length, without passing its ends."""
    value = int.from_bytes(data[at : at + 2], "big") + extra
    data[at : at + 2] = min(max(value, 0), 0xFFFF).to_bytes(2, "big")


def _right_checksum(packet: bytearray) -> None:
    packet[10:12] = b"\0\0"
    total = sum(int.from_bytes(packet[i : i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    packet[10:12] = (((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF).to_bytes(2, "big")
