# SPDX-License-Identifier: Apache-2.0
"""Loops that a tenant makes, in support/hostile.py's lab: found by asking, cut off, let in again; and nobody else is.

eth0 [ bridge in e ] x ------- y [ bridge in e2, or in d on the other host ] eth0
"""

from __future__ import annotations

import secrets
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.hostile import Net, blue, frame, hostile
from tests.support.repeated import repeated
from tests.support.victims import Victims, storm
from vxnet.datapath.loops import FRAME
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.running import Host
    from vxnet.lab import Node

QUESTION_TYPE = 0x88B6


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build the lab; both hosts let in a thousand broadcasts a second from each."""
    with hostile(tmp_path_factory.mktemp("loops")) as net:
        one, two = (blue(state, storm_control=1000) for state in (net.one, net.two))
        yield net._replace(one=one, two=two)


@pytest.fixture
def net(built: Net) -> Net:
    """Return it as it is to be, with nothing learned."""
    for host in (built.h1, built.h2):
        host.down()
    built.up()
    for host in (built.h1, built.h2):
        host.forget()
    return built


@contextmanager
def joined(one: Node, other: Node) -> Iterator[None]:
    """Let two machines be bridges with a cable between them, and a broadcast go round."""
    one.ip(f"link add x type veth peer name y netns {other.namespace}")
    for node, end in ((one, "x"), (other, "y")):
        node.ip("link add br0 type bridge")
        for device in (end, "eth0"):
            node.ip(f"link set {device} master br0")
        for device in (end, "br0"):
            node.ip(f"link set {device} up")
    try:
        yield
    finally:
        one.ip("link delete x")
        for node in (one, other):
            node.ip("link delete br0")


def cut(*hosts: Host) -> list[str]:
    """Return the ports of hosts that are cut off."""
    return [port.device for host in hosts for port in host.overview().segments[0].ports if port.loop]


def found(net: Net, *hosts: Host) -> None:
    """Wait until the loop is cut. Its bridges forward as soon as they believe in their cables."""
    with repeated(lambda: storm(net.a, [frame(net.a.mac)], 10)):
        wait_until(lambda: cut(*hosts), timeout=60, what="the loop to be cut")


def test_two_ports_of_a_host(net: Net) -> None:
    """One of two ports that are joined is cut off, and told of; others lose nothing; without the cable it is back."""
    with joined(net.e, net.e2):
        with Victims("a loop of two ports, until it is found", net.a, net.b):
            found(net, net.h1)
        with Victims("a loop of two ports, from then on", net.a, net.b) as victims:
            storm(net.a, [frame(net.a.mac)], 100)
            victims.talk()
        assert victims.lost == 0
        (device,) = cut(net.h1)
        assert f"port: {device}, cut off: it is in a loop" in net.h1.vxnet("show").stdout
        other = {"tap-e": "tap-e2", "tap-e2": "tap-e"}[device]
        assert f"port {device} is in a loop: what is sent there comes back through {other};" in net.h1.log()
        dropped = net.dropped("loop")
        storm(net.e if device == "tap-e" else net.e2, [frame("02:66:00:00:00:01")], 100)
        assert net.dropped("loop") >= dropped + 100
    wait_until(lambda: not cut(net.h1), timeout=60, what="the port to take part again")
    assert net.h1.log().count(" is in a loop: ") == 1
    assert net.h1.log().count(" is in no loop any more") == 1
    for vm in (net.e, net.e2):
        assert vm.ping(net.b, timeout=3)


def test_a_loop_without_storm_control(net: Net) -> None:
    """As a host file says without a word more, a loop runs as fast as it can, and is found and cut all the same."""
    net.h1.up(blue(net.one, storm_control=0))
    with joined(net.e, net.e2):
        with Victims("a loop at full speed, until it is found", net.a, net.b):
            found(net, net.h1)
        with Victims("a loop at full speed, from then on", net.a, net.b) as victims:
            storm(net.a, [frame(net.a.mac)], 100)
            victims.talk()
    assert victims.lost == 0


def test_ports_of_two_hosts(net: Net) -> None:
    """A loop through the underlay is cut at one end: a host finds its own question in what another one sends it."""
    with joined(net.e, net.d):
        found(net, net.h1, net.h2)
        with Victims("a loop of two hosts, from then on", net.a, net.b) as victims:
            storm(net.a, [frame(net.a.mac)], 100)
            victims.talk()
            victims.talk()
        assert victims.lost == 0
        assert len(cut(net.h1, net.h2)) == 1
    wait_until(lambda: not cut(net.h1, net.h2), timeout=60, what="the port to take part again")


@contextmanager
def suspected(net: Net) -> Iterator[None]:
    """Let a and e use the same MAC, so that both are asked whether they are in a loop."""

    def by_turns() -> None:
        for node in (net.e, net.a):
            storm(node, [frame(net.a.mac)], 1)

    with repeated(by_turns):
        Lab.wait(lambda: net.h1.fdb()[net.a.mac].duplicate, timeout=30, what="a to be found in two places")
        yield


def question(node: Node) -> bytes:
    """Return the next question that a machine hears."""
    with node.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(QUESTION_TYPE)) as sock:
        sock.bind(("eth0", QUESTION_TYPE))
        sock.settimeout(20)
        return sock.recv(2048)


def test_nobody_has_anothers_port_cut_off(net: Net) -> None:
    """Forged questions, at any rate, cut off nobody, though all are asked: their nonces are not known."""
    forged = [(FRAME + secrets.token_bytes(8)).ljust(60, b"\0") for _ in range(1000)]
    with suspected(net):
        question(net.a)
        with Victims("forged questions about loops", net.a, net.b) as victims:
            storm(net.e, forged, 50_000)
            question(net.a)
            question(net.a)
            victims.talk()
    assert victims.lost == 0
    assert cut(net.h1) == []
    assert " is in a loop: " not in net.h1.log()


def test_who_sends_his_own_question_back_is_cut_off_alone(net: Net) -> None:
    """A machine can have the port that it is behind cut off, whichever it answers at; that is all it can do."""

    def answered() -> bool:
        storm(net.e2, [question(net.e)], 1)
        return bool(cut(net.h1))

    with suspected(net), Victims("its own question sent back, by another port", net.a, net.b) as victims:
        Lab.wait(answered, timeout=60, what="the port to be cut off")
        victims.talk()
    assert cut(net.h1) == ["tap-e"]
    assert victims.lost == 0


def test_nobody_is_asked_without_a_reason(net: Net) -> None:
    """Where no MAC moves to and fro, no question is heard."""
    with net.e.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(QUESTION_TYPE)) as sock:
        sock.bind(("eth0", QUESTION_TYPE))
        with Victims("nothing", net.a, net.b) as victims:
            for _ in range(8):
                victims.talk()
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            assert sock.recv(2048) is None
