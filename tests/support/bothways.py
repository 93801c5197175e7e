# SPDX-License-Identifier: Apache-2.0
"""Random bytes between two machines of a lab, both ways at once, compared by their SHA-256.

    one  <=== TCP, IPv4 ===>  other      each connection carries a block each way at the same time
    one  <=== TCP, IPv6 ===>  other
    one  <--- UDP --------->  other      then datagrams of all sizes, and batches that the device is to cut (UDP GSO)

The listening sockets stay from exchange to exchange; connections are new each time, since a socket asks the device what
it can when it connects.
"""

from __future__ import annotations

import hashlib
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address
    from typing import Self

    from vxnet.lab import Node

PATIENCE = 10.0
"""Seconds without any progress after which bytes are taken for lost."""

UDP_SEGMENT = 103
"""linux/udp.h: the length at which the device is to cut what one call sends."""
_SO_RCVBUFFORCE, _SO_NO_CHECK = 33, 11
"""asm-generic/socket.h."""

_CHUNK = 1 << 16
_POOL = random.Random(7348).randbytes(1 << 21)
_SIZES = (1, 0, 17, 999, 1200, 3000)
"""Of datagrams; the last is sent in fragments."""
_SEGMENT, _BATCH = 1100, 20 * 1100 + 333


class BothWays:
    """Two machines that exchange bytes over each of the address families they both have."""

    def __init__(self, one: Node, other: Node) -> None:
        """Open the sockets that stay."""
        self._nodes = one, other
        self._stack = ExitStack()
        self._threads = self._stack.enter_context(ThreadPoolExecutor(8))
        self._families = [
            (socket.AF_INET6 if mine.version == 6 else socket.AF_INET, (mine, its))
            for mine, its in zip(one.addresses, other.addresses, strict=True)
        ]
        self._servers = [self._server(family, addresses[1]) for family, addresses in self._families]
        self._udp = [
            [self._datagrams(node, family, address) for node, address in zip(self._nodes, addresses, strict=True)]
            for family, addresses in self._families
        ]
        self._number = 0

    def _server(self, family: int, address: IPv4Address | IPv6Address) -> socket.socket:
        with self._nodes[1].enter():
            server = self._stack.enter_context(socket.create_server((str(address), 0), family=family))
        server.settimeout(PATIENCE)
        return server

    def _datagrams(self, node: Node, family: int, address: IPv4Address | IPv6Address) -> socket.socket:
        with node.enter():
            sock = self._stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
        sock.bind((str(address), 0))
        sock.settimeout(PATIENCE)
        return sock

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all."""
        self._stack.close()

    def exchange(self, size: int) -> None:
        """Send ``size`` bytes by TCP over each family, both ways at once, then datagrams.

        AssertionError for bytes that are not those sent, TimeoutError for those that do not come.
        """
        self._number += 1
        with ExitStack() as stack:
            waiting = []
            for server, (family, _) in zip(self._servers, self._families, strict=True):
                with self._nodes[0].enter():
                    client = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                client.settimeout(PATIENCE)
                client.connect(server.getsockname()[:2])
                peer = stack.enter_context(server.accept()[0])
                peer.settimeout(PATIENCE)
                for source, sink in ((client, peer), (peer, client)):
                    block = self._block(size)
                    waiting.append((self._threads.submit(_receive, sink), hashlib.sha256(block).hexdigest()))
                    self._threads.submit(_send, source, block)
            for received, expected in waiting:
                assert received.result() == expected
        for one, other in self._udp:
            self._exchange_datagrams(one, other)
            self._exchange_datagrams(other, one)

    def _block(self, size: int) -> bytes:
        """Return bytes that are another block's neither in this exchange nor in those around it."""
        self._number += 1
        return random.Random(self._number).randbytes(8) + _POOL[self._number % 4093 :][: size - 8]

    def _exchange_datagrams(self, source: socket.socket, sink: socket.socket) -> None:
        target, block = sink.getsockname()[:2], self._block(_BATCH)
        datagrams = [block[:size] for size in _SIZES]
        for unchecked in (0, 1) if source.family == socket.AF_INET else (0,):
            source.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, unchecked)
            for datagram in datagrams:
                source.sendto(datagram, target)
            _expect(sink, datagrams)
        source.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 0)
        source.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, _SEGMENT)
        source.sendto(block, target)
        source.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        _expect(sink, [block[at : at + _SEGMENT] for at in range(0, len(block), _SEGMENT)])


def _send(source: socket.socket, block: bytes) -> None:
    source.sendall(block)
    source.shutdown(socket.SHUT_WR)


def _receive(sink: socket.socket) -> str:
    digest = hashlib.sha256()
    while chunk := sink.recv(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _expect(sink: socket.socket, datagrams: list[bytes]) -> None:
    """Read as many datagrams; they are these. A fragmented one may come after a later one."""
    assert sorted(map(_digest, _arriving(sink, len(datagrams)))) == sorted(map(_digest, datagrams))


def _arriving(sink: socket.socket, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield sink.recv(_CHUNK)


def _digest(datagram: bytes) -> str:
    return f"{len(datagram)} {hashlib.sha256(datagram).hexdigest()}"
