# SPDX-License-Identifier: Apache-2.0
"""Bytes as a VM's virtio device sends and takes them: whole, in large frames, with checksums left to others.

    | virtio_net_hdr 10 | Ethernet 14 | IPv4 20, IPv6 40 | TCP 20, UDP 8 | payload: up to 64 KiB |
      needs_csum: the checksum is the sum of the pseudo header alone, and someone else's to finish
      gso:        someone else is to cut the payload into segments of gso_size bytes

OASIS virtio 1.2, section 5.1.6; linux/virtio_net.h. What arrives is taken apart the same way by `segments`, which
refuses frames whose checksums are wrong, or that do what the device has not offered.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from vxnet.lab.tap import TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN, TUN_F_USO4, TUN_F_USO6
from vxnet.packet import ip
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.ethernet import IPV4, IPV6, Ethernet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import IPAddress

HEADER = struct.Struct("=BBHHHH")
"""flags, gso_type, hdr_len, gso_size, csum_start, csum_offset"""
NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 4, 5, 0x80

OFFERS = {
    GSO_NONE: 0,
    GSO_TCPV4: TUN_F_TSO4,
    GSO_TCPV6: TUN_F_TSO6,
    GSO_TCPV4 | GSO_ECN: TUN_F_TSO4 | TUN_F_TSO_ECN,
    GSO_TCPV6 | GSO_ECN: TUN_F_TSO6 | TUN_F_TSO_ECN,
    GSO_UDP_L4: TUN_F_USO4 | TUN_F_USO6,
}
"""What a device has to have offered (TUN_F_...) before it is given such a frame."""

SEGMENT = 1300
"""Bytes of payload in a segment: more than half of what an underlay of 1500 carries, over IPv6 too."""

_L4_LENGTH = {ip.TCP: 20, ip.UDP: 8}
_CHECKSUM_AT = {ip.TCP: 16, ip.UDP: 6}
_CWR_ACK = 0x90


class Flow(NamedTuple):
    """One direction of a connection; ``protocol`` is TCP or UDP."""

    src_mac: str
    dst_mac: str
    src: IPAddress
    dst: IPAddress
    protocol: int

    def pseudo(self, length: int) -> bytes:
        """Return the pseudo header of that many bytes of TCP or UDP (RFC 9293, 3.1; RFC 8200, 8.1: the same sum)."""
        return self.src.packed + self.dst.packed + struct.pack("!II", length, self.protocol)

    def frame(self, l4: bytes) -> bytes:
        """Return the Ethernet frame that carries this TCP or UDP."""
        if isinstance(self.src, IPv4Address) and isinstance(self.dst, IPv4Address):
            ethertype, packet = IPV4, ip.IPv4(src=self.src, dst=self.dst, protocol=self.protocol, payload=l4).encode()
        else:
            assert isinstance(self.src, IPv6Address)
            assert isinstance(self.dst, IPv6Address)
            ethertype, packet = (
                IPV6,
                ip.IPv6(src=self.src, dst=self.dst, next_header=self.protocol, payload=l4).encode(),
            )
        return Ethernet(dst=self.dst_mac, src=self.src_mac, ethertype=ethertype, payload=packet).encode()

    @property
    def headers(self) -> int:
        """Bytes before the payload, Ethernet's included."""
        return 14 + (20 if self.src.version == 4 else 40) + _L4_LENGTH[self.protocol]


class Manner(NamedTuple):
    """How a VM sends: in frames of ``size`` bytes of payload, which others cut if there are more than SEGMENT."""

    size: int = SEGMENT
    needs_csum: bool = False
    ecn: bool = False

    def frames(self, flow: Flow, data: bytes) -> Iterator[bytes]:
        """Yield frames, virtio header first, that carry ``data``; TCP's sequence numbers begin with 0."""
        for at in range(0, len(data), self.size):
            yield self.frame(flow, at, data[at : at + self.size])

    def frame(self, flow: Flow, at: int, payload: bytes) -> bytes:
        """Return one frame, whose payload begins at ``at`` of the stream."""
        return self._header(flow, len(payload)) + _frame(flow, at, payload, self)

    def _header(self, flow: Flow, length: int) -> bytes:
        if not self.needs_csum:
            return bytes(HEADER.size)
        l4 = flow.headers - _L4_LENGTH[flow.protocol]
        gso, size = GSO_NONE, 0
        if length > SEGMENT:
            tcp = GSO_TCPV4 if flow.src.version == 4 else GSO_TCPV6
            gso = GSO_UDP_L4 if flow.protocol == ip.UDP else tcp | (GSO_ECN if self.ecn else 0)
            size = SEGMENT
        return HEADER.pack(NEEDS_CSUM, gso, flow.headers, size, l4, _CHECKSUM_AT[flow.protocol])


def _frame(flow: Flow, at: int, payload: bytes, manner: Manner) -> bytes:
    if flow.protocol == ip.TCP:
        flags = _CWR_ACK if manner.ecn else 0x10
        l4 = bytearray(struct.pack("!HHIIBBHHH", 40000, 9, at, 0, 5 << 4, flags, 512, 0, 0) + payload)
    else:
        l4 = bytearray(struct.pack("!HHHH", 40000, 9, 8 + len(payload), 0) + payload)
    field = _CHECKSUM_AT[flow.protocol]
    pseudo = flow.pseudo(len(l4))
    value = 0xFFFF - internet_checksum(pseudo) if manner.needs_csum else internet_checksum(pseudo + l4) or 0xFFFF
    l4[field : field + 2] = value.to_bytes(2, "big")
    return flow.frame(bytes(l4))


def segments(flow: Flow, data: bytes, offloads: int) -> list[tuple[int, bytes]] | None:
    """Return (TCP sequence number, or 0; payload) of each segment of a frame that arrived; None for another flow's.

    AssertionError for a frame that a device with these ``offloads`` (TUN_F_...) must not be given, or whose checksum is
    wrong.
    """
    flags, gso, _, size, start, offset = HEADER.unpack_from(data)
    l4 = payload_of(flow, data[HEADER.size :])
    if l4 is None:
        return None
    assert not OFFERS[gso] & ~offloads, f"GSO type {gso:#x} for a device that offers {offloads:#x}"
    if flags & NEEDS_CSUM:
        assert offloads & TUN_F_CSUM, "an unfinished checksum for a device that cannot finish it"
        assert (start, offset) == (flow.headers - _L4_LENGTH[flow.protocol], _CHECKSUM_AT[flow.protocol])
        value = int.from_bytes(l4[offset : offset + 2], "big")
        assert value == 0xFFFF - internet_checksum(flow.pseudo(len(l4))), "a wrong sum of the pseudo header"
    else:
        assert not gso, "segments whose checksums nobody is to finish"
        assert right(flow, l4), "a wrong checksum"
    payload = l4[_L4_LENGTH[flow.protocol] :]
    first = int.from_bytes(l4[4:8], "big") if flow.protocol == ip.TCP else 0
    step = size if gso else max(len(payload), 1)
    return [
        (first + at if flow.protocol == ip.TCP else 0, payload[at : at + step]) for at in range(0, len(payload), step)
    ]


def payload_of(flow: Flow, frame: bytes) -> bytes | None:
    """Return the TCP or UDP of a frame of this flow, None if it is not one."""
    parsed = Ethernet.parse(frame)
    if parsed.ethertype == IPV4:
        v4 = ip.IPv4.parse(parsed.payload)
        return v4.payload if (v4.src, v4.dst, v4.protocol) == (flow.src, flow.dst, flow.protocol) else None
    if parsed.ethertype == IPV6:
        v6 = ip.IPv6.parse(parsed.payload)
        return v6.payload if (v6.src, v6.dst, v6.next_header) == (flow.src, flow.dst, flow.protocol) else None
    return None


def right(flow: Flow, l4: bytes) -> bool:
    """Tell whether the checksum of this TCP or UDP is there and right."""
    field = _CHECKSUM_AT[flow.protocol]
    return l4[field : field + 2] != b"\0\0" and not internet_checksum(flow.pseudo(len(l4)) + l4)
