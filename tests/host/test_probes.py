# SPDX-License-Identifier: Apache-2.0
"""Remotes that speak no BFD are probed: Linux's VXLAN device, found dead and alive again, shown, left out where asked.

a --tap-a-- [ h1 .131 ] eth0 ------------- eth0 [ h2 .136, Linux's own VXLAN, or vxnet ] --tap-b-- b
"""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from subprocess import DEVNULL
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.interop.linux_peer import LinuxVxlan
from tests.support.labs import H1, H1_6, H2, H2_6, unreachable
from tests.support.running import DAEMON
from tests.support.watched import PATIENCE, Watched, change, members_of_list, row_of, said_of, watching
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.model import HostState, Probe
from vxnet.packet.icmp import IcmpEcho

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.model import IPAddress

PROBE = Probe(interval=200)
STRANGER = IPv4Address("192.168.146.99")


@pytest.fixture(scope="module")
def lab_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The lab, for all tests of this file."""
    with Lab.unique("vxprb") as lab:
        yield Watched(lab, tmp_path_factory.mktemp("probes"))


@pytest.fixture
def net(lab_net: Watched) -> Iterator[Watched]:
    """The lab with both hosts down, before and after."""
    yield lab_net
    lab_net.down()


@contextmanager
def linux(net: Watched) -> Iterator[LinuxVxlan]:
    """Let h2 be a host of Linux's own VXLAN."""
    peer = LinuxVxlan(net.node2, "tap-b", vni=10, remote=H1)
    try:
        yield peer
    finally:
        peer.remove()


def probing(local: IPAddress = H1, remote: IPAddress = H2, **blue: object) -> HostState:
    """Return h1's state: it probes, and speaks no BFD."""
    return replace(change(watching(local, remote, "tap-a"), **blue), bfd=None, probe=PROBE)


def test_it_answers_and_it_is_shown(net: Watched, tmp_path: Path) -> None:
    """A peer that knows nothing of it is up; show, stats and the log tell so, and its tunnel is as ever."""
    with linux(net) as peer, net.node1.capture("eth0", tmp_path / "probe.pcapng", matching="icmp") as capture:
        net.h1.up(probing())
        said = net.until(net.h1, H2, state="up")
        assert (said["by"], said["dead"], said["downs"], said["discarded"]) == ("probe", False, 0, 0)
        assert "  remote: 192.168.146.136, up for " in net.h1.vxnet("show").stdout
        assert " by probe" in net.h1.vxnet("show").stdout
        assert "192.168.146.136  probe  up " in net.h1.vxnet("stats").stdout
        assert json.loads(net.h1.vxnet("stats", "--json").stdout)["remotes"][0]["by"] == "probe"
        assert net.h1.log().count("remote 192.168.146.136: up: it answers\n") == 1
        assert net.a.ping(net.b)
        wait_until(lambda: said_of(net.h1, H2)["received"] > 5, timeout=PATIENCE, what="answers")
        assert peer.errors() == {}
    rows = capture.fields("ip.src", "ip.dst", "icmp.type", "icmp.checksum.status", matching="icmp and not vxlan")
    assert {tuple(row) for row in rows} == {(str(H1), str(H2), "8", "1"), (str(H2), str(H1), "0", "1")}
    times = capture.fields("frame.time_delta_displayed", matching="icmp.type == 8 and not vxlan")
    assert all(float(row[0]) > PROBE.interval / 1000 / 2 for row in times[1:]), times


@pytest.mark.parametrize("asked", [False, True], ids=["flooded", "left-out"])
def test_a_cut_link(net: Watched, *, asked: bool) -> None:
    """It answers no more: dead, said once, left out of the flood list only where asked; all back afterwards."""
    with linux(net):
        state = probing(flood_to_dead=not asked)
        net.h1.up(state)
        net.until(net.h1, H2, state="up")
        with net.cut():
            net.until(net.h1, H2, state="down", dead=True, downs=1)
            assert "192.168.146.136, dead for" in net.h1.vxnet("show").stdout
            if asked:
                wait_until(lambda: members_of_list(net.h1) == [False], timeout=PATIENCE, what="a list without it")
                assert "left out of flooding" in net.h1.vxnet("show").stdout
                assert unreachable(net.a, net.b)
                assert net.h1.overview().segments[0].traffic.tx_packets == 0
            assert row_of(net.h1, H2)["dead"] is asked
            assert net.h1.vxnet("plan", str(net.h1.file(state))).stdout == "nothing to change\n"
        net.until(net.h1, H2, state="up", dead=False)
        wait_until(lambda: members_of_list(net.h1) == [True], timeout=PATIENCE, what="a whole list")
        assert net.h1.log().count("remote 192.168.146.136: dead: it does not answer any more\n") == 1
        assert net.a.ping(net.b)


def test_who_never_answered_is_not_dead(net: Watched) -> None:
    """Some hosts answer no pings."""
    with mute(net), linux(net):
        net.h1.up(probing(flood_to_dead=False))
        wait_until(lambda: said_of(net.h1, H2)["sent"] > 4, timeout=PATIENCE, what="probes")
        assert (said_of(net.h1, H2)["state"], said_of(net.h1, H2)["dead"]) == ("down", False)
        assert "192.168.146.136, no answer to probes" in net.h1.vxnet("show").stdout
        assert members_of_list(net.h1) == [True]
        assert net.a.ping(net.b)


def test_over_ipv6(net: Watched) -> None:
    """The same through an IPv6 underlay, by ICMPv6."""
    net.h1.up(probing(H1_6, H2_6))
    net.until(net.h1, H2_6, state="up", by="probe")
    with net.cut():
        net.until(net.h1, H2_6, dead=True)
    net.until(net.h1, H2_6, state="up", dead=False)


def test_the_next_daemon_goes_on(net: Watched) -> None:
    """Killed while a remote is dead: the kernel leaves it out, and the next daemon, which no file told, probes on."""
    net.h1.up(probing(flood_to_dead=False))
    net.until(net.h1, H2, state="up")
    with net.cut():
        net.until(net.h1, H2, dead=True)
        wait_until(lambda: members_of_list(net.h1) == [False], timeout=PATIENCE, what="a list without it")
        net.h1.kill()
        assert row_of(net.h1, H2)["dead"] is True
        net.node1.popen(*DAEMON, "--run-dir", str(net.h1.run_dir), stderr=DEVNULL)
        assert net.h1.actual().state.probe == PROBE
        assert net.until(net.h1, H2, state="down")["dead"] is True
        assert members_of_list(net.h1) == [False]
    net.until(net.h1, H2, state="up", dead=False)
    wait_until(lambda: members_of_list(net.h1) == [True], timeout=PATIENCE, what="a whole list")


def test_bfd_is_asked_first(net: Watched) -> None:
    """With both tables BFD judges who speaks it; once its end is closed, or has gone for good, the probe does."""
    net.h1.up(replace(watching(H1, H2, "tap-a"), probe=PROBE))
    net.until(net.h1, H2, by="probe", state="up")
    net.h2.up(watching(H2, H1, "tap-b"))
    net.until(net.h1, H2, by="bfd", state="up")
    net.h2.kill()  # its host answers pings, but BFD was heard, and is not any more
    net.until(net.h1, H2, by="bfd", dead=True)
    net.h2.up(watching(H2, H1, "tap-b"))
    net.until(net.h1, H2, by="bfd", state="up", dead=False)
    net.h2.down()
    net.until(net.h1, H2, by="probe", state="up", dead=False)


def test_other_settings(net: Watched) -> None:
    """They change in place; without the table nothing is sent any more."""
    net.h1.up(probing())
    net.until(net.h1, H2, state="up")
    net.h1.up(replace(probing(), probe=Probe(interval=100, detect_mult=5)))
    before = said_of(net.h1, H2)
    wait_until(lambda: said_of(net.h1, H2)["received"] > before["received"] + 10, timeout=PATIENCE, what="answers")
    assert (said_of(net.h1, H2)["state"], said_of(net.h1, H2)["downs"]) == ("up", 0)
    net.h1.up(replace(probing(), probe=None))
    assert said_of(net.h1, H2) == {}
    assert net.h1.actual().state.probe is None


def test_forged_answers(net: Watched) -> None:
    """A reply is believed from the remote that was asked, with what was sent to it: not without, not from another."""
    net.node2.ip(f"address add {STRANGER}/24 dev eth0")
    with mute(net), overhearing(net) as requests:
        net.h1.up(probing())
        request = heard_on(requests)
        mark, secret = request.payload[:8], request.payload[8:]
        assert len(secret) == 8
        answer(net, H2, request, payload=mark + bytes(8))
        wait_until(lambda: said_of(net.h1, H2)["discarded"] == 1, timeout=PATIENCE, what="a wrong answer")
        answer(net, STRANGER, request)
        answer(net, H2, request, sequence=request.sequence + 1000 & 0xFFFF)
        wait_until(lambda: said_of(net.h1, H2)["discarded"] == 2, timeout=PATIENCE, what="an unasked answer")
        assert (said_of(net.h1, H2)["state"], said_of(net.h1, H2)["received"]) == ("down", 0)
        answer(net, H2, heard_on(requests))
        net.until(net.h1, H2, state="up", received=1)
    net.node2.ip(f"address del {STRANGER}/24 dev eth0")


def test_who_answers_a_thousand_times_is_not_heard(net: Watched) -> None:
    """The kernel stops what follows a hundred replies that nobody waits for; the next request is answered as ever."""
    with overhearing(net) as requests:
        net.h1.up(probing())
        net.until(net.h1, H2, state="up")
        request = heard_on(requests)
        answer(net, H2, request, times=30_000)
        before = said_of(net.h1, H2)
        wait_until(lambda: said_of(net.h1, H2)["received"] > before["received"] + 5, timeout=PATIENCE, what="answers")
    after = said_of(net.h1, H2)
    assert 0 < after["discarded"] < 1000
    assert after["downs"] == 0


@contextmanager
def mute(net: Watched) -> Iterator[None]:
    """Let h2's kernel answer no pings."""
    net.node2.run("sysctl -qw net.ipv4.icmp_echo_ignore_all=1")
    try:
        yield
    finally:
        net.node2.run("sysctl -qw net.ipv4.icmp_echo_ignore_all=0")


@contextmanager
def overhearing(net: Watched) -> Iterator[socket.socket]:
    """Yield what reads the ICMP messages that come to h2."""
    with net.node2.enter():
        requests = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with requests:
        requests.settimeout(PATIENCE)
        yield requests


def heard_on(requests: socket.socket) -> IcmpEcho:
    """Return the next request that comes to h2 after this moment."""
    requests.settimeout(0)
    with suppress(BlockingIOError):
        while requests.recv(2048):
            pass
    requests.settimeout(PATIENCE)
    while True:
        message = IcmpEcho.parse(requests.recv(2048)[20:])
        if not message.reply:
            return message


def answer(net: Watched, source: IPAddress, request: IcmpEcho, *, times: int = 1, **other: object) -> None:
    """Answer a request from an address of h2, so many times, with the same as was asked or something else."""
    data = replace(request, reply=True, **other).encode()
    with net.node2.enter(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
        sender.bind((str(source), 0))
        for _ in range(times):
            sender.sendto(data, (str(H1), 0))
