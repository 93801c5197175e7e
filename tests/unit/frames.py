# SPDX-License-Identifier: Apache-2.0
"""Frames, packets and hypothesis strategies that several unit tests share."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from vxnet.packet import ethernet, ip, mac, udp, vxlan
from vxnet.packet.arp import REQUEST, Arp

if TYPE_CHECKING:
    from vxnet.model import IPAddress

MAC_A = "02:00:00:00:00:0a"
MAC_B = "02:00:00:00:00:0b"
MAC_C = "02:00:00:00:00:0c"
GROUP_MAC = "01:00:5e:01:01:01"

LOCAL = IPv4Address("192.168.146.131")
REMOTE = IPv4Address("192.168.146.136")
OTHER_REMOTE = IPv4Address("192.168.146.137")
GROUP = IPv4Address("239.1.1.1")

macs = st.binary(min_size=6, max_size=6).map(mac.format_mac)
bytes_ = st.integers(0, 2**8 - 1)
words = st.integers(0, 2**16 - 1)
payloads = st.binary(max_size=200)
vnis = st.integers(1, 2**24 - 1)


def frame(src: str, dst: str, *, size: int = 60, tags: tuple[ethernet.VlanTag, ...] = ()) -> bytes:
    """Return an Ethernet frame of ``size`` bytes (tags counted in) that is not IP."""
    head = ethernet.Ethernet(dst=dst, src=src, ethertype=0x88B5, tags=tags).encode()
    return head + bytes(max(0, size - len(head)))


def udp_frame(
    *,
    src_ip: str = "10.0.0.1",
    dst_ip: str = "10.0.0.2",
    src_port: int = 1000,
    dst_port: int = 2000,
    payload: bytes = b"hello",
) -> bytes:
    """Return a tenant's frame from MAC_A to MAC_B with IPv4 and UDP in it, checksums and all."""
    src, dst = IPv4Address(src_ip), IPv4Address(dst_ip)
    datagram = udp.Udp(src_port=src_port, dst_port=dst_port, payload=payload).with_checksum(src, dst)
    packet = ip.IPv4(src=src, dst=dst, protocol=ip.UDP, payload=datagram.encode())
    return ethernet.Ethernet(dst=MAC_B, src=MAC_A, ethertype=ethernet.IPV4, payload=packet.encode()).encode()


def arp_request(sender_mac: str, sender_ip: str, target_ip: str) -> bytes:
    """Return the broadcast that asks who has ``target_ip``."""
    question = Arp(
        operation=REQUEST,
        sender_mac=sender_mac,
        sender_ip=IPv4Address(sender_ip),
        target_ip=IPv4Address(target_ip),
    )
    return ethernet.Ethernet(
        dst=mac.BROADCAST, src=sender_mac, ethertype=ethernet.ARP, payload=question.encode()
    ).encode()


def from_remote(
    inner: bytes, *, vni: int = 10, src: IPAddress = REMOTE, dst: IPAddress = LOCAL, dst_port: int = 4789
) -> bytes:
    """Return the whole underlay frame in which ``src`` sends ``inner`` to ``dst``."""
    packet = vxlan.encapsulate(inner, vni=vni, src=src, dst=dst, dst_port=dst_port)
    return vxlan.onto_ethernet(packet, src_mac="02:aa:00:00:00:02", dst_mac="02:aa:00:00:00:01")
