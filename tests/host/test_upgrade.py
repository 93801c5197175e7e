# SPDX-License-Identifier: Apache-2.0
"""An upgrade in place: other programs, and maps of another layout, under numbered packets of which none may be missing.

a --tap-a-.                                         .-tap-b-- b     blue, VNI 10, remotes
           [ h1 ] eth0 ---------------- eth0 [ h2 ]
c --tap-c-'                                         '-tap-d-- d     red, VNI 20, group

The other version is a real one: the sources, changed and compiled, with a daemon of their own.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.builds import OTHER_LAYOUT, OTHER_MEANING, ROOT, SMALLER_CACHE, builds
from tests.support.killed import inventory, run
from tests.support.labs import H1, H2, two_hosts
from tests.support.running import GROUP, Host, Pair, gone, wait
from tests.support.stream import Stream
from vxnet.daemon.keeper import Keeper
from vxnet.daemon.switch import Switch
from vxnet.lab import Lab
from vxnet.model import Bridge, FdbEntry, HostState, Neighbour, Port, Segment, Source, Tunnel, Vlans, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = {"programs": SMALLER_CACHE, "layout": OTHER_LAYOUT, "meaning": OTHER_MEANING}
MAC = "02:00:00:00:00:99"
TOOK_OVER = "took over the switch of another version of vxnet: new maps, and 4 programs replaced\n"
EVERYTHING = HostState(
    vtep=Vtep(local=H1),
    segments=(
        Segment(name="blue", vni=10, remotes=(H2,), senders=("192.168.146.0/24", "fd00:92::/64")),
        Segment(name="red", vni=20, group=GROUP, maxaddress=9),
    ),
    bridges=(Bridge(name="br-a", ageing=60),),
    tunnels=(
        Tunnel(name="vx-1", bridge="br-a", vni=5, vni_out=6, remote=H2, dstport=8472, vlans=Vlans(trunks=(1, 2, 3))),
    ),
    ports=(
        Port(device="p1", segment="blue", sources=(Source(MAC, "10.0.0.0/29"), Source("02:00:00:00:00:98"))),
        Port(device="p2", segment="red"),
        Port(device="p3", segment="br-a", vlans=Vlans(mode="access", tag=7)),
        Port(device="own0", segment="br-a", internal=True, mac="02:00:00:00:09:00", mtu=1400),
    ),
    fdb=(FdbEntry(segment="blue", mac=MAC, port="p1"), FdbEntry(segment="blue", mac="02:00:00:00:00:97", remote=H2)),
    neighbours=(
        Neighbour(segment="blue", address="10.0.0.9", mac=MAC),
        Neighbour(segment="red", address="fd00::9", mac=MAC),
    ),
)
SENT = 5
POINTS = 3
"""How many points of a handover a daemon is killed at."""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the other versions."""
    return builds(tmp_path_factory.mktemp("builds"), KINDS)


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    """Return the pair with something in most of its maps, and take away what of it another version has."""
    for host, state in zip((running.h1, running.h2), rich(running), strict=True):
        host.up(state)
        host.forget()
    yield running
    for host in (running.h1, running.h2):
        if not host.pid:
            host.vxnet("down")


def rich(pair: Pair) -> tuple[HostState, HostState]:
    """Return what the two hosts are."""
    states = (replace(s, fdb=(FdbEntry(segment="red", mac=MAC, port=s.ports[1].device),)) for s in (pair.one, pair.two))
    return next(states), next(states)


def other(host: Host, source: Path) -> Host:
    """Return the same vxnet, run by another version."""
    return Host(host.node, host.run_dir.parent, host.run_dir.name, source=source)


def restart(host: Host, state: HostState) -> None:
    """Let a daemon of this host's version take over from whoever runs."""
    host.kill()
    done = host.vxnet("up", str(host.file(state)))
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("kind", ["programs", "layout"])
def test_no_packet_is_lost_nor_doubled(pair: Pair, others: dict[str, Path], kind: str) -> None:
    """There and back on both hosts, with packets both ways on the fast path and on the slow one: each arrives, once."""
    states = rich(pair)
    ways = [(pair.a, pair.b), (pair.b, pair.a)]
    with ExitStack() as stack:
        fast = [stack.enter_context(Stream(*way)) for way in ways]
        slow = [stack.enter_context(Stream(*way, broadcast=True)) for way in ways]
        for host, state in zip((pair.h1, pair.h2), states, strict=True):
            programs = set(host.programs().values())
            for version in (other(host, others[kind]), host):
                restart(version, state)
                now = set(host.programs().values())
                assert not programs & now, "every program is another one"
                programs = now
                for stream in (*fast, *slow):
                    stream.flows()
    streams = (*fast, *slow)
    assert [stream.lost for stream in streams] == [set()] * len(streams)
    assert [stream.again for stream in streams] == [0] * len(streams)
    for host, state in zip((pair.h1, pair.h2), states, strict=True):
        assert host.changes(state) == ()


def test_all_that_is_known_is_handed_over(pair: Pair, others: dict[str, Path]) -> None:
    """Maps of another layout: what was learned, how old it is, what was counted, and all that was asked for."""
    one, _ = rich(pair)
    for machine, peer in ((pair.a, pair.b), (pair.c, pair.d)):
        assert machine.ping(peer, count=SENT)
    before, held, traffic = pair.h1.fdb(), inventory(pair.h1), counted(pair.h1)
    maps, programs = list(pair.h1.maps()), list(pair.h1.programs().values())
    restart(other(pair.h1, others["layout"]), one)
    assert TOOK_OVER in pair.h1.log()
    restart(pair.h1, one)
    pair.h1.node.wait(lambda: gone(programs, maps), what="the programs and maps of before to go")
    assert pair.h1.log().count(TOOK_OVER) == 2
    assert pair.h1.log().count("\n") == 4, "adopted, and taken over, twice"
    assert pair.h1.changes(one) == ()
    assert inventory(pair.h1) == held
    after = pair.h1.fdb()
    assert [replace(row, age=None) for row in after.values()] == [replace(row, age=None) for row in before.values()]
    assert all(
        old.age <= new.age for old, new in zip(before.values(), after.values(), strict=True) if old.age and new.age
    )
    assert all(now >= then >= SENT for now, then in zip(counted(pair.h1), traffic, strict=True))


def test_every_map_is_handed_over(others: dict[str, Path], tmp_path: Path) -> None:
    """What a host file has no words for as well: there and back, nothing is to be changed, nor left of before."""
    with Lab.unique("handover") as lab:
        host = Host(two_hosts(lab)[0], tmp_path)
        for name in ("p1", "p2", "p3"):
            host.node.ip(f"link add {name} type veth peer name {name}-end")
        run(host, lambda: bring(host))
        assert host.changes(EVERYTHING) == ()
        held = inventory(host)
        for source in (others["layout"], ROOT / "src"):
            maps, programs = list(host.maps()), list(host.programs().values())
            other(host, source).pass_over()
            host.node.wait(lambda p=programs, m=maps: gone(p, m), what="those of before to go")  # type: ignore[misc]
        assert host.changes(EVERYTHING) == ()
        assert inventory(host) == held
        host.down()


def bring(host: Host) -> None:
    """Be the host's daemon for a moment."""
    assert Switch(host.run_dir).bring(EVERYTHING)[1] == {}


def counted(host: Host) -> list[int]:
    """Return how many packets have come from each port."""
    return [port.traffic.rx_packets for segment in host.overview().segments for port in segment.ports]


def test_a_daemon_is_killed_while_it_takes_over(pair: Pair, others: dict[str, Path]) -> None:
    """Killed anywhere: packets flow, and the next daemon takes over from the beginning; nothing of before is left."""
    one, _ = rich(pair)
    held = inventory(pair.h1)

    def take_over() -> None:
        Keeper(pair.h1.run_dir)

    restart(other(pair.h1, others["layout"]), one)
    pair.h1.kill()
    calls = run(pair.h1, take_over).calls
    with Stream(pair.a, pair.b) as stream, Stream(pair.b, pair.a, broadcast=True) as flood:
        for point in sorted(random.sample(range(1, calls + 1), POINTS)):
            restart_dead(other(pair.h1, others["layout"]), one)
            pair.h1.kill()
            maps, programs = list(pair.h1.maps()), list(pair.h1.programs().values())
            assert run(pair.h1, take_over, point).killed
            assert run(pair.h1, take_over).calls
            assert inventory(pair.h1) == held, f"killed before call {point} of {calls}"
            pair.h1.node.wait(lambda p=programs, m=maps: gone(p, m), what="those of before to go")  # type: ignore[misc]
            stream.flows()
            flood.flows()
    assert (stream.lost, flood.lost) == (set(), set())
    restart_dead(pair.h1, one)


def restart_dead(host: Host, state: HostState) -> None:
    """Start a daemon of this host's version where none runs."""
    done = host.vxnet("up", str(host.file(state)))
    assert (done.stdout, done.stderr) == ("", "")


def test_maps_that_are_meant_otherwise_are_refused(pair: Pair, others: dict[str, Path]) -> None:
    """A version that means other things by the same bytes is not taken over: one line says so, and packets flow."""
    one, _ = rich(pair)
    pair.h1.down()
    restart_dead(other(pair.h1, others["meaning"]), one)
    with Stream(pair.a, pair.b) as stream:
        pair.h1.kill()
        said = pair.h1.refused("up", str(pair.h1.file(one)))
        assert "is in the kernel by a version of vxnet whose maps this one cannot read; take it away with" in said
        stream.flows()
        restart_dead(other(pair.h1, others["meaning"]), one)
        stream.flows()
    assert stream.lost == set()
    other(pair.h1, others["meaning"]).down()


def test_who_only_looks_is_told_what_to_do(pair: Pair, others: dict[str, Path]) -> None:
    """Before the daemon is started anew, `vxnet show` of the new version says that it has to be."""
    one, _ = rich(pair)
    restart(other(pair.h1, others["layout"]), one)
    begin = f"what {pair.h1.run_dir} has in the kernel is another version of vxnet's; "
    cure = "start vxnetd anew, which takes it over (`systemctl restart vxnetd`, or end it and `vxnet up HOST.toml`)"
    assert pair.h1.refused("show") == begin + cure
    pair.h1.kill()
    pair.h1.up(one)
    wait(lambda: pair.h1.changes(one) == (), "nothing to be left to do")


def test_down_takes_another_version_away(pair: Pair, others: dict[str, Path]) -> None:
    """`vxnet down` where a version with another layout was and no daemon runs: all of it is gone."""
    one, _ = rich(pair)
    restart(other(pair.h1, others["layout"]), one)
    maps, programs = list(pair.h1.maps()), list(pair.h1.programs().values())
    pair.h1.kill()
    pair.h1.down()
    assert pair.h1.remains() == []
    pair.h1.node.wait(lambda: gone(programs, maps), what="programs and maps to go")
