# SPDX-License-Identifier: Apache-2.0
"""Good packets, which mutations begin with: frames of tenants, and packets of the underlay around them.

The machines and addresses are those of tests/support: machine n has 02:00:00:00:00:0n, 10.0.0.n and fd00::n.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from tests.support.board import LOCAL, LOCAL6, REMOTES, REMOTES6, UNDERLAY_MAC, group_mac, next_hop_mac
from vxnet.packet import ethernet, ip, nd, udp, vxlan
from vxnet.packet.arp import REPLY, REQUEST, Arp
from vxnet.packet.ethernet import Ethernet, VlanTag
from vxnet.packet.icmp import IcmpEcho
from vxnet.packet.mac import BROADCAST, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import IPAddress

MACHINES = 5
macs = tuple(f"02:00:00:00:00:{number:02x}" for number in range(1, MACHINES + 1))
ipv4s = tuple(IPv4Address(f"10.0.0.{number}") for number in range(1, MACHINES + 1))
ipv6s = tuple(IPv6Address(f"fd00::{number}") for number in range(1, MACHINES + 1))

GROUP, GROUP6 = IPv4Address("239.1.1.1"), IPv6Address("ff05::1:1")
VNIS = (10, 20, 30)
DSTPORT = 4789

SOLICITED = IPv6Address("ff02::1:ff00:2")
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60


def _frame(ethertype: int, payload: bytes, dst: str = macs[1], src: str = macs[0], *tags: VlanTag) -> bytes:
    return Ethernet(dst=dst, src=src, ethertype=ethertype, tags=tags, payload=payload).encode()


def _datagram(src: IPAddress, dst: IPAddress, payload: bytes = b"payload", port: int = 2000) -> bytes:
    return udp.Udp(src_port=1000, dst_port=port, payload=payload).with_checksum(src, dst).encode()


def _ipv4_frames() -> Iterator[bytes]:
    src, dst = ipv4s[:2]
    for payload in (b"", b"payload", bytes(1400), bytes(1421), bytes(1422), bytes(1423), bytes(1600)):
        yield _frame(ethernet.IPV4, ip.IPv4(src=src, dst=dst, protocol=ip.UDP, payload=payload).encode())
    datagram = _datagram(src, dst)
    for mac in (*macs[2:], BROADCAST, group_mac(GROUP), "01:80:c2:00:00:0e"):
        yield _frame(ethernet.IPV4, ip.IPv4(src=src, dst=dst, protocol=ip.UDP, payload=datagram).encode(), mac)
    for source in (*ipv4s[1:3], IPv4Address(0)):
        packet = ip.IPv4(src=source, dst=dst, protocol=ip.UDP, payload=_datagram(source, dst, port=67))
        yield _frame(ethernet.IPV4, packet.encode(), BROADCAST)
        yield _frame(ethernet.IPV4, packet.encode(), src=macs[ipv4s.index(source)] if source in ipv4s else macs[0])
    odd = ip.IPv4(src=src, dst=dst, protocol=ip.UDP, options=b"\1\1\1\0", more_fragments=True, payload=datagram)
    yield _frame(ethernet.IPV4, odd.encode())
    for ecn in range(1, 4):
        yield _frame(ethernet.IPV4, ip.IPv4(src=src, dst=dst, protocol=ip.TCP, tos=ecn, payload=bytes(20)).encode())
    echo = IcmpEcho(identifier=1, sequence=2, payload=b"echo").encode()
    yield _frame(ethernet.IPV4, ip.IPv4(src=src, dst=dst, protocol=ip.ICMP, payload=echo).encode())


def _ipv6_frames() -> Iterator[bytes]:
    src, dst = ipv6s[:2]
    datagram = _datagram(src, dst)

    def frame(next_header: int, payload: bytes, mac: str = macs[1], **fields: Any) -> bytes:  # noqa: ANN401  (IPv6's)
        packet = ip.IPv6(**{"src": src, "dst": dst, "next_header": next_header, "payload": payload, **fields})
        return _frame(ethernet.IPV6, packet.encode(), mac)

    for mac in (*macs[1:], group_mac(GROUP6)):
        yield frame(ip.UDP, datagram, mac)
    yield frame(ip.UDP, datagram, src=ipv6s[3])
    yield frame(ip.TCP, bytes(20), traffic_class=1, flow_label=0xFFFFF)
    for header in (HOP_BY_HOP, ROUTING, DESTINATION):
        yield frame(header, bytes((ip.UDP, 0, 1, 4, 0, 0, 0, 0)) + datagram)
    yield frame(FRAGMENT, bytes((ip.UDP, 0, 0, 1, 0, 0, 0, 9)) + datagram)
    chain = bytes((DESTINATION, 0, 1, 4, 0, 0, 0, 0)) + bytes((ip.UDP, 1, 1, 12)) + bytes(12) + datagram
    yield frame(HOP_BY_HOP, chain)
    for source in (src, IPv6Address(0)):
        question = nd.Solicitation(target=dst, mac=macs[0]).encode(source, SOLICITED)
        yield frame(ip.ICMPV6, question, group_mac(SOLICITED), src=source, dst=SOLICITED, hop_limit=nd.HOP_LIMIT)
    for target in (src, dst):
        said = nd.Advertisement(target=target, mac=macs[0]).encode(src, dst)
        yield frame(ip.ICMPV6, said, hop_limit=nd.HOP_LIMIT)
    report = bytes((ip.ICMPV6, 0, 5, 2, 0, 0, 1, 0)) + bytes((143,)) + bytes(27)
    yield frame(HOP_BY_HOP, report, "33:33:00:00:00:16", src=IPv6Address(0), hop_limit=1)


def _other_frames() -> Iterator[bytes]:
    for operation, sender, target in ((REQUEST, 0, 1), (REQUEST, 0, 0), (REQUEST, 0, 3), (REPLY, 0, 1), (REPLY, 1, 0)):
        arp = Arp(operation=operation, sender_mac=macs[0], sender_ip=ipv4s[sender], target_ip=ipv4s[target])
        yield _frame(ethernet.ARP, arp.encode(), BROADCAST)
    probe = Arp(operation=REQUEST, sender_mac=macs[0], sender_ip=IPv4Address(0), target_ip=ipv4s[1])
    yield _frame(ethernet.ARP, probe.encode(), BROADCAST)
    for source in (ZERO, BROADCAST, *macs[1:]):
        yield _frame(0x88B5, bytes(46), macs[1], source)
    yield _frame(0x0026, bytes(38), "01:80:c2:00:00:00")  # LLC: a spanning tree's
    tags = VlanTag(vid=7, pcp=5), VlanTag(vid=0, tpid=ethernet.DOT1AD), VlanTag(vid=4095, dei=True)
    for count in range(1, 4):
        inner = ip.IPv4(src=ipv4s[0], dst=ipv4s[1], protocol=ip.UDP, payload=_datagram(ipv4s[0], ipv4s[1]))
        yield _frame(ethernet.IPV4, inner.encode(), macs[1], macs[0], *tags[:count])


FRAMES = (*_ipv4_frames(), *_ipv6_frames(), *_other_frames())
"""Frames of tenants."""


def wrapped(
    frame: bytes, *, vni: int, src: IPAddress, dst: IPAddress, checksum: bool = False, dirty: bool = False
) -> bytes:
    """Return the packet of the underlay around a frame; ``dirty``: with reserved bits set in its VXLAN header."""
    header = b"\xff\xee\xdd\xcc" if dirty else b"\x08\0\0\0"
    datagram = udp.Udp(
        src_port=50000, dst_port=DSTPORT, payload=header + vni.to_bytes(3, "big") + bytes((dirty,)) + frame
    )
    payload = (datagram.with_checksum(src, dst) if checksum else datagram).encode()
    if isinstance(src, IPv6Address) and isinstance(dst, IPv6Address):
        packet = ip.IPv6(src=src, dst=dst, next_header=ip.UDP, payload=payload).encode()
    elif isinstance(src, IPv4Address) and isinstance(dst, IPv4Address):
        packet = ip.IPv4(src=src, dst=dst, protocol=ip.UDP, payload=payload).encode()
    else:
        raise TypeError("an IPv4 and an IPv6 address are no pair")
    dst_mac = group_mac(dst) if dst.is_multicast else UNDERLAY_MAC
    return vxlan.onto_ethernet(packet, src_mac=next_hop_mac(src), dst_mac=dst_mac)


def _packets() -> Iterator[bytes]:
    for number, frame in enumerate(FRAMES):
        vni, remote = VNIS[number % len(VNIS)], number % len(REMOTES)
        options = {"checksum": number % 5 == 0, "dirty": number % 7 == 0}
        yield wrapped(frame, vni=vni, src=REMOTES[remote], dst=LOCAL, **options)
        yield wrapped(frame, vni=vni, src=REMOTES6[remote], dst=LOCAL6, **options)
    inside = wrapped(FRAMES[1], vni=10, src=ipv4s[0], dst=ipv4s[1])
    for src, dst in ((REMOTES[0], LOCAL), (REMOTES[0], GROUP), (LOCAL, LOCAL)):
        yield wrapped(inside, vni=10, src=src, dst=dst)
    for source, destination in ((REMOTES6[0], LOCAL6), (REMOTES6[0], GROUP6), (LOCAL6, LOCAL6)):
        yield wrapped(inside, vni=10, src=source, dst=destination)


PACKETS = tuple(_packets())
"""Packets of the underlay, with their Ethernet headers."""

ALL = FRAMES + PACKETS
