# SPDX-License-Identifier: Apache-2.0
"""What the kernel gives to who pings remotes: replies to what was asked, and nothing else, in both families.

[ h1 .131 ] eth0 ------------- eth0 [ h2 .136 ]
"""

from __future__ import annotations

import select
import socket
import sys
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.labs import H1, H1_6, H2, H2_6
from vxnet.daemon.echo import Echo, Reply
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.packet.icmp import IcmpEcho
from vxnet.packet.icmp6 import Icmp6Echo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node
    from vxnet.model import IPAddress

OWN = b"what h2 is asked"
BOTH = pytest.mark.parametrize(("local", "remote"), [(H1, H2), (H1_6, H2_6)], ids=["ipv4", "ipv6"])


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Node, Node]]:
    """h1, and h2 whose kernel answers no pings: the test does."""
    with Lab.unique("vxecho") as lab:
        h1, h2 = lab.host("h1", [f"{H1}/24", f"{H1_6}/64"]), lab.host("h2", [f"{H2}/24", f"{H2_6}/64"])
        lab.link(h1, h2)
        for family in ("ipv4.icmp_", "ipv6.icmp."):
            h2.run(f"sysctl -qw net.{family}echo_ignore_all=1")
        yield h1, h2


def raw(node: Node, local: IPAddress) -> socket.socket:
    """Return a socket for all ICMP messages of the address's family that come to a node."""
    v4 = isinstance(local, IPv4Address)
    family, protocol = (socket.AF_INET, socket.IPPROTO_ICMP) if v4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    with node.enter():
        opened = socket.socket(family, socket.SOCK_RAW, protocol)
    opened.settimeout(10)
    return opened


@contextmanager
def seeing_all(node: Node, local: IPAddress) -> Iterator[socket.socket]:
    """Yield a socket that gets the replies that come to a node, whatever is in them."""
    with raw(node, local) as witness:
        if local.version == 4:
            witness.setsockopt(255, 1, (~1 & 0xFFFFFFFF).to_bytes(4, sys.byteorder))
        else:
            words = [0xFFFFFFFF] * 8
            words[129 // 32] &= ~(1 << 129 % 32)
            witness.setsockopt(socket.IPPROTO_ICMPV6, 1, b"".join(word.to_bytes(4, sys.byteorder) for word in words))
        yield witness


class Responder:
    """h2, which sees requests, and answers what the test wants."""

    def __init__(self, node: Node, local: IPAddress, remote: IPAddress) -> None:
        self.local, self.remote = local, remote
        self.socket = raw(node, local)

    def request(self) -> IcmpEcho | Icmp6Echo:
        """Return the next request."""
        while True:
            data = self.socket.recv(2048)
            v4 = isinstance(self.local, IPv4Address)
            if data[20 if v4 else 0] == (8 if v4 else 128):
                return IcmpEcho.parse(data[20:]) if v4 else Icmp6Echo.parse(data)

    def answer(self, request: IcmpEcho | Icmp6Echo, **other: object) -> None:
        """Answer it, with something else than what was asked if that is said."""
        self.socket.sendto(replace(request, **{"reply": True, **other}).encode(), (str(self.local), 0))


@contextmanager
def asking(nodes: tuple[Node, Node], local: IPAddress, remote: IPAddress) -> Iterator[tuple[Echo, Responder]]:
    """Yield h1's sockets, which listen, and h2."""
    responder = Responder(nodes[1], local, remote)
    with nodes[0].enter():
        echo = Echo.open()
    assert echo.missing == {}
    try:
        yield echo, responder
    finally:
        echo.close()
        responder.socket.close()


def readable(echo: Echo) -> bool:
    """Tell whether who waits is woken."""
    return bool(select.select(echo.filenos, [], [], 0)[0])


def until_heard(echo: Echo) -> list[Reply]:
    """Wait until something has arrived; return all of it."""
    wait_until(lambda: readable(echo), what="a reply")
    return echo.hear()


@BOTH
def test_only_answers_to_what_was_asked_are_let_through(
    nodes: tuple[Node, Node], local: IPAddress, remote: IPAddress
) -> None:
    """Another's identifier, a mark that was guessed, in either half, or cut off, or none: nobody is woken."""
    with asking(nodes, local, remote) as (echo, h2), seeing_all(nodes[0], local) as witness:
        echo.listen(to=True)
        assert echo.ask(remote, local, 7, OWN)
        request = h2.request()
        assert (request.sequence, request.payload[8:]) == (7, OWN)
        mark = request.payload[:8]
        h2.answer(request, identifier=request.identifier ^ 1)
        h2.answer(request, payload=bytes((mark[0] ^ 1,)) + request.payload[1:])
        h2.answer(request, payload=mark[:7] + bytes((mark[7] ^ 1,)) + OWN)
        h2.answer(request, payload=mark[:7])
        h2.answer(request, payload=b"")
        for _ in range(5):
            witness.recv(2048)
        assert not readable(echo), "all of it has arrived, and the kernel has kept it back"
        h2.answer(request)
        assert until_heard(echo) == [Reply(remote, 7, OWN)]
        assert not readable(echo)


@BOTH
def test_a_new_mark(nodes: tuple[Node, Node], local: IPAddress, remote: IPAddress) -> None:
    """What has come or comes with the old one is not heard; what is asked from now on is."""
    with asking(nodes, local, remote) as (echo, h2):
        echo.listen(to=True)
        echo.ask(remote, local, 1, OWN)
        old = h2.request()
        h2.answer(old)
        wait_until(lambda: readable(echo), what="a reply")
        echo.renew()
        assert echo.hear() == []
        echo.ask(remote, local, 2, OWN)
        new = h2.request()
        h2.answer(old)
        h2.answer(new)
        assert until_heard(echo) == [Reply(remote, 2, OWN)]


@BOTH
def test_who_does_not_listen_hears_nothing(nodes: tuple[Node, Node], local: IPAddress, remote: IPAddress) -> None:
    """Without `[probe]` no reply wakes the daemon, whoever pings from this host."""
    with asking(nodes, local, remote) as (echo, h2):
        echo.ask(remote, local, 1, OWN)
        h2.answer(h2.request())
        echo.listen(to=True)
        echo.ask(remote, local, 2, OWN)
        h2.answer(h2.request())
        assert until_heard(echo) == [Reply(remote, 2, OWN)]
