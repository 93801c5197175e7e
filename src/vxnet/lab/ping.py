# SPDX-License-Identifier: Apache-2.0
"""ICMP echo from the thread's own namespace: like ping(8), without a process, and counted.

One request is on its way at a time:

    send request (identifier, sequence) --> wait for the reply with both, or for the timeout --> interval --> next
"""

from __future__ import annotations

import secrets
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

import msgspec

from vxnet.packet.checksum import internet_checksum

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

HEADER = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence (RFC 792, echo; RFC 4443, section 4)."""

V4, V6 = 4, 6
"""IP versions."""

REQUEST = {V4: 8, V6: 128}
REPLY = {V4: 0, V6: 129}
"""ICMP types by IP version."""

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
"""linux/in.h: set DF and never fragment; a request larger than the path is lost."""


class Ping(msgspec.Struct, frozen=True):
    """How a ping went; true if every request was answered. ``times`` are round trips in seconds."""

    sent: int
    times: tuple[float, ...]

    def __bool__(self) -> bool:
        """Whether nothing was lost."""
        return self.received == self.sent

    @property
    def received(self) -> int:
        """How many requests were answered."""
        return len(self.times)

    @property
    def lost(self) -> int:
        """How many requests were not answered in time."""
        return self.sent - self.received


def ping(
    address: IPv4Address | IPv6Address,
    *,
    count: int = 1,
    timeout: float = 1.0,
    interval: float = 0.0,
    size: int = 56,
    df: bool = False,
) -> Ping:
    """Send ``count`` echo requests with ``size`` bytes of payload.

    ``timeout`` (seconds) is how long each may take, ``interval`` how long to pause between them. ``df`` forbids
    fragments (IPv4). A request the kernel refuses to send, for lack of a route or neighbour, counts as lost.
    """
    family = socket.AF_INET if address.version == V4 else socket.AF_INET6
    protocol = socket.IPPROTO_ICMP if address.version == V4 else socket.IPPROTO_ICMPV6
    with socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol) as sock:
        if df and family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        times = []
        identifier = secrets.randbelow(1 << 16)
        for number in range(count):
            if number and interval:
                time.sleep(interval)
            start = time.monotonic()
            try:
                sock.sendto(_request(address.version, identifier, number & 0xFFFF, size), (str(address), 0))
            except OSError:
                continue
            if _answered(sock, address.version, (identifier, number & 0xFFFF), start + timeout):
                times.append(time.monotonic() - start)
    return Ping(count, tuple(times))


def _request(version: int, identifier: int, sequence: int, size: int) -> bytes:
    """An echo request; the kernel fills in the checksum of ICMPv6, which covers addresses."""
    payload = bytes(i & 0xFF for i in range(size))
    message = HEADER.pack(REQUEST[version], 0, 0, identifier, sequence) + payload
    checksum = internet_checksum(message) if version == V4 else 0
    return HEADER.pack(REQUEST[version], 0, checksum, identifier, sequence) + payload


def _answered(sock: socket.socket, version: int, request: tuple[int, int], deadline: float) -> bool:
    """Wait for the reply to one request (identifier, sequence) until ``deadline``, passing over everything else."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            continue
        try:
            packet = sock.recv(65535)
        except OSError:  # an ICMP error for an earlier request
            continue
        # A raw IPv4 socket hands over the IP header too, a raw IPv6 one does not (RFC 3542, section 3).
        offset = (packet[0] & 0x0F) * 4 if version == V4 else 0
        if len(packet) < offset + HEADER.size:
            continue
        kind, _, _, *which = HEADER.unpack_from(packet, offset)
        if kind == REPLY[version] and tuple(which) == request:
            return True
    return False
