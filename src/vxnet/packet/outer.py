# SPDX-License-Identifier: Apache-2.0
"""A packet from the underlay as a VTEP looks at it, header by header, before it believes any length in it.

    | outer Ethernet 14 | IPv4 20, IPv6 40 | UDP 8 | VXLAN 8 | inner Ethernet frame, 14 or more |
    |<-------- read_outer ---------->|<------ OuterPacket: whole? do lengths agree? ------->|
              whose is it?                    what is in it? may it be believed?

The codecs beside this one refuse what is malformed; a VTEP must be able to say *what* is malformed, as each kind has
its own drop reason, and may say so only of packets that are meant for it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import msgspec

from vxnet.model import IPAddress
from vxnet.packet import ethernet, ip, udp, vxlan
from vxnet.packet.checksum import internet_checksum

_MIN_UDP_LENGTH = udp.HEADER_LENGTH + vxlan.HEADER_LENGTH + ethernet.HEADER_LENGTH


class OuterPacket(msgspec.Struct, frozen=True, kw_only=True):
    """An unfragmented IP/UDP packet: its addresses, its UDP destination port, and the bytes from its two headers on.

    ``ip_length`` is what the IP header says the whole packet has, ``tos`` its TOS or traffic class. `bad_header` may be
    asked once the packet is known not to be `truncated`; `vni`, `frame` and `bad_checksum` once it is known to be
    `well_formed`.
    """

    src: IPAddress
    dst: IPAddress
    dst_port: int
    tos: int
    ip_length: int
    ip_packet: bytes
    udp_datagram: bytes

    @property
    def truncated(self) -> bool:
        """Whether a length has no room for UDP, VXLAN and an inner Ethernet header, or bytes are missing."""
        return (
            self._udp_length < _MIN_UDP_LENGTH
            or self.ip_length < self._header_length + _MIN_UDP_LENGTH
            or self.ip_length > len(self.ip_packet)
        )

    @property
    def bad_header(self) -> bool:
        """Whether the I flag is missing or the lengths of IP and UDP do not agree."""
        return (
            not self.udp_datagram[udp.HEADER_LENGTH] & vxlan.VNI_VALID
            or self._udp_length != self.ip_length - self._header_length
        )

    @property
    def well_formed(self) -> bool:
        """Whether a VXLAN header and a frame can be read."""
        return not self.truncated and not self.bad_header

    @property
    def bad_checksum(self) -> bool:
        """Whether the IPv4 header's checksum is wrong, or the UDP checksum is there (not 0) and wrong.

        Over IPv6 as well a datagram without one is taken (RFC 7348, section 5; RFC 6935).
        """
        if isinstance(self.src, IPv4Address) and internet_checksum(self.ip_packet[: ip.IPV4_HEADER_LENGTH]):
            return True
        datagram = self.udp_datagram[: self._udp_length]
        return datagram[6:8] != b"\0\0" and udp.udp_checksum(self.src, self.dst, datagram) != 0

    @property
    def ecn(self) -> int:
        """The ECN field of the IP header."""
        return self.tos & 3

    @property
    def vni(self) -> int:
        """The VNI of the VXLAN header."""
        return self._vxlan.vni

    @property
    def frame(self) -> bytes:
        """The inner Ethernet frame, without what the underlay padded behind it."""
        return self._vxlan.payload

    @property
    def _vxlan(self) -> vxlan.Vxlan:
        return vxlan.Vxlan.parse(self.udp_datagram[udp.HEADER_LENGTH : self._udp_length])

    @property
    def _udp_length(self) -> int:
        return int.from_bytes(self.udp_datagram[4:6], "big")

    @property
    def _header_length(self) -> int:
        return len(self.ip_packet) - len(self.udp_datagram)


def read_outer(frame: bytes) -> OuterPacket | None:
    """Return the outer packet of this underlay Ethernet frame, or None for what a VTEP leaves to the host's IP stack.

    That is: another EtherType (a VLAN tag included), another IP version, IP options or extension headers, another
    protocol than UDP, fragments, or a frame that ends before the UDP header does. Lengths and checksums are not judged
    here.
    """
    packet, ethertype = frame[ethernet.HEADER_LENGTH :], int.from_bytes(frame[12:14], "big")
    if ethertype == ethernet.IPV4 and len(packet) >= ip.IPV4_HEADER_LENGTH + udp.HEADER_LENGTH:
        return _over_ipv4(packet)
    if ethertype == ethernet.IPV6 and len(packet) >= ip.IPV6_HEADER_LENGTH + udp.HEADER_LENGTH:
        return _over_ipv6(packet)
    return None


def _over_ipv4(packet: bytes) -> OuterPacket | None:
    fragment = int.from_bytes(packet[6:8], "big") & ip.MORE_OR_OFFSET
    if packet[0] != ip.VERSION_4_NO_OPTIONS or packet[9] != ip.UDP or fragment:
        return None
    datagram = packet[ip.IPV4_HEADER_LENGTH :]
    return OuterPacket(
        src=IPv4Address(packet[12:16]),
        dst=IPv4Address(packet[16:20]),
        dst_port=int.from_bytes(datagram[2:4], "big"),
        tos=packet[1],
        ip_length=int.from_bytes(packet[2:4], "big"),
        ip_packet=packet,
        udp_datagram=datagram,
    )


def _over_ipv6(packet: bytes) -> OuterPacket | None:
    src, dst = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
    if packet[0] >> 4 != ip.VERSION_6 or packet[6] != ip.UDP or dst.ipv4_mapped:
        return None
    datagram = packet[ip.IPV6_HEADER_LENGTH :]
    return OuterPacket(
        src=src,
        dst=dst,
        dst_port=int.from_bytes(datagram[2:4], "big"),
        tos=int.from_bytes(packet[0:2], "big") >> 4 & 0xFF,
        ip_length=ip.IPV6_HEADER_LENGTH + int.from_bytes(packet[4:6], "big"),
        ip_packet=packet,
        udp_datagram=datagram,
    )
