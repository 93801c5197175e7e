# SPDX-License-Identifier: Apache-2.0
"""Numbered UDP packets from one node of a lab to another, a thousand a second, and which of them were lost."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING

from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from typing import Self

    from vxnet.lab import Node

PERIOD = 0.001
"""Seconds between two packets."""

_PORTS = itertools.count(7777)
_BUFFER = 64 << 20
_NUMBER = struct.Struct("!Q")
_SO_RCVBUFFORCE = 33


def _broadcast_address(node: Node) -> IPv4Address | IPv6Address:
    """Return the one of the node's subnet, whose prefix has 24 bits in all labs."""
    return ip_network(f"{node.address}/24", strict=False).broadcast_address


class Stream:
    """Packets flow as long as the ``with`` block lasts; afterwards `lost` says which did not arrive.

    The receiver's socket holds a minute of them, so what is lost was lost on the way. Packets that are ``broadcast``
    are flooded, over the slow path, whatever has been learned.
    """

    def __init__(self, source: Node, target: Node, *, broadcast: bool = False, period: float = PERIOD) -> None:
        """Get both ends ready, and the way between them: ARP is over before the first packet."""
        assert source.ping(target), f"{source.name} does not reach {target.name}"
        with target.enter():
            self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with source.enter():
            self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        # One of its own: what is broadcast comes back to the sender's own sockets as well.
        place = str(_broadcast_address(target) if broadcast else target.address), next(_PORTS)
        self._in.bind(place)
        self._out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, broadcast)
        with source.enter():  # its route
            self._out.connect(place)
        self._stop = threading.Event()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._period = period
        self._next = 0
        self.overtaken: set[int] = set()
        """Those that have not arrived, though later ones have."""
        self.again = 0
        """How many arrived that had arrived before."""
        self.sent = 0

    def _send(self) -> None:
        while not self._stop.is_set():
            self._out.send(_NUMBER.pack(self.sent))
            self.sent += 1
            time.sleep(self._period)

    def receive(self) -> None:
        """Count what has arrived. To be called once a minute at least, which `flows` does."""
        while True:
            try:
                number = _NUMBER.unpack(self._in.recv(_NUMBER.size))[0]
            except BlockingIOError:
                return
            if number >= self._next:
                self.overtaken.update(range(self._next, number))
                self._next = number + 1
            elif number in self.overtaken:
                self.overtaken.remove(number)
            else:
                self.again += 1

    def _arrived_since(self, first: int) -> int:
        self.receive()
        return self._next - first - sum(number >= first for number in self.overtaken)

    def flows(self, packets: int = 50, *, timeout: float = 10.0) -> float:
        """Wait until this many of the packets sent from now on have arrived; return how many seconds it took."""
        begin, first = time.monotonic(), self.sent
        wait_until(lambda: self._arrived_since(first) >= packets, timeout=timeout, what="packets to flow")
        return time.monotonic() - begin

    @property
    def lost(self) -> set[int]:
        """The numbers of those that have not arrived."""
        return self.overtaken | set(range(self._next, self.sent))

    def __enter__(self) -> Self:
        """Let them flow."""
        self._sender.start()
        try:
            self.flows()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let those on the way arrive."""
        self._stop.set()
        self._sender.join()
        deadline = time.monotonic() + 1
        while self._next < self.sent and time.monotonic() < deadline:
            self.receive()
            time.sleep(PERIOD)
        self._in.close()
        self._out.close()
