# SPDX-License-Identifier: Apache-2.0
"""A daemon that is killed at any point of a plan: forwarding goes on, the next one ends what it began, nothing is left.

a --tap-a-.                                         .-tap-b-- b     blue, red
c --tap-c-[ h1 ] eth0 ---------------- eth0 [ h2 ]--+-tap-d-- d
g --tap-g-'                                         '-tap-k-- k     green, which no plan concerns

Each plan is tried at some points, others in each run (pytest prints the seed); VXNET_EVERY_POINT=1 tries all of them,
which takes hours (`-o faulthandler_timeout=0`).
"""

from __future__ import annotations

import os
import random
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.killed import inventory, run
from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.running import GROUP, Host, gone
from tests.support.stream import Stream
from vxnet.daemon.keeper import Keeper
from vxnet.daemon.switch import Switch
from vxnet.lab import Lab
from vxnet.model import (
    Bfd,
    Bridge,
    FdbEntry,
    HostState,
    Neighbour,
    Port,
    Probe,
    Segment,
    Source,
    Tunnel,
    Vlans,
    Vtep,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


POINTS = 6
"""How many points of a plan are tried, unless all are."""

EVERY = os.environ.get("VXNET_EVERY_POINT", "") not in {"", "0"}
OTHER_GROUP, GROUP_6 = IPv4Address("239.1.1.2"), IPv6Address("ff05::146")
FAR = IPv4Address("192.168.146.200")
MACS = [f"02:00:00:00:09:{number:02x}" for number in range(4)]
ACCESS_7 = Vlans(mode="access", tag=7)
SOME_VLANS = Vlans(trunks=(1, 2, 3))

GREEN = HostState(
    vtep=Vtep(local=H1, local6=H1_6),
    segments=(Segment(name="green", vni=30, remotes=(H2,), senders=(f"{H2}/32",)),),
    ports=(Port(device="tap-g", segment="green"),),
)
"""What is there before and after all but the plans that concern it as well."""


def with_green(state: HostState) -> HostState:
    """Return the state with what is in green."""
    return replace(
        state, vtep=GREEN.vtep, segments=(*GREEN.segments, *state.segments), ports=(*GREEN.ports, *state.ports)
    )


SEGMENTS = with_green(
    HostState(
        segments=(
            Segment(
                name="blue", vni=10, remotes=(H2, FAR, H2_6), senders=(f"{H2}/32", "192.168.0.0/16", f"{H2_6}/128")
            ),
            Segment(name="red", vni=20, group=GROUP),
        ),
        ports=(
            Port(device="tap-a", segment="blue", sources=(Source(MACS[0], "10.0.0.1/32"), Source(MACS[1]))),
            Port(device="tap-c", segment="red"),
            Port(device="net0", segment="red"),
        ),
        fdb=(
            FdbEntry(segment="blue", mac=MACS[0], port="tap-a"),
            FdbEntry(segment="blue", mac=MACS[1], remote=H2),
            FdbEntry(segment="red", mac=MACS[2], port="tap-c"),
        ),
        neighbours=(
            Neighbour(segment="blue", address="10.0.0.9", mac=MACS[0]),
            Neighbour(segment="red", address="fd00::9", mac=MACS[2]),
        ),
    )
)
CHANGED = with_green(
    HostState(
        segments=(
            Segment(name="blue", vni=11, remotes=(FAR,), ageing=60, senders=(f"{FAR}/32", "192.168.0.0/16")),
            Segment(name="red", vni=20, group=OTHER_GROUP, maxaddress=9),
            Segment(name="black", vni=40, group=OTHER_GROUP),
            Segment(name="six", vni=60, group=GROUP_6, senders=("fd00:92::/64",)),
        ),
        ports=(
            Port(device="tap-a", segment="red"),
            Port(device="tap-c", segment="red", sources=(Source(MACS[2], "fd00::/64"),)),
        ),
        fdb=(
            FdbEntry(segment="blue", mac=MACS[1], remote=FAR),
            FdbEntry(segment="red", mac=MACS[2], port="tap-a"),
        ),
        neighbours=(Neighbour(segment="red", address="fd00::9", mac=MACS[3]),),
    )
)
WATCHED = replace(SEGMENTS, bfd=Bfd(remotes=(H2, FAR, H2_6)), probe=Probe())
WATCHED_OTHERWISE = replace(CHANGED, bfd=Bfd(vni=10, min_tx=300, remotes=(H2, FAR)), probe=Probe(interval=300))
"""In the VNI that blue had."""
BRIDGES = with_green(
    HostState(
        bridges=(Bridge(name="br-a"), Bridge(name="br-b")),
        tunnels=(
            Tunnel(name="vx-1", bridge="br-a", vni=5, vni_out=5, remote=H2, dstport=8472),
            Tunnel(name="vx-2", bridge="br-b", vni=None, vni_out=6, remote=FAR, dstport=8472, vlans=SOME_VLANS),
        ),
        ports=(
            Port(device="tap-a", segment="br-a", vlans=ACCESS_7),
            Port(device="tap-c", segment="br-b", vlans=SOME_VLANS),
            Port(device="own0", segment="br-a", internal=True, mac=MACS[0], mtu=1400),
        ),
    )
)
BRIDGES_CHANGED = with_green(
    HostState(
        bridges=(Bridge(name="br-a", ageing=60),),
        tunnels=(
            Tunnel(name="vx-1", bridge="br-a", vni=5, vni_out=7, remote=FAR, dstport=8473),
            Tunnel(name="vx-2", bridge="br-a", vni=8, vni_out=8, remote=H2, dstport=8473),
        ),
        ports=(
            Port(device="tap-a", segment="br-a", vlans=SOME_VLANS),
            Port(device="tap-c", segment="br-a"),
            Port(device="own1", segment="br-a", internal=True),
        ),
    )
)
MOVED = replace(SEGMENTS, vtep=Vtep(local=H1, local6=H1_6, dstport=8490))

MANY = with_green(HostState(segments=tuple(Segment(name=f"s{n}", vni=1000 + n) for n in range(1100))))
"""More than the maps hold at first: they grow (datapath/room.py)."""

PLANS = {
    "segments come": (GREEN, SEGMENTS),
    "segments change": (SEGMENTS, CHANGED),
    "segments go": (SEGMENTS, GREEN),
    "BFD comes": (SEGMENTS, WATCHED),
    "BFD changes": (WATCHED, WATCHED_OTHERWISE),
    "bridges come": (GREEN, BRIDGES),
    "bridges change": (BRIDGES, BRIDGES_CHANGED),
    "bridges go": (BRIDGES, GREEN),
    "bridges for segments": (SEGMENTS, BRIDGES),
    "another VTEP": (SEGMENTS, MOVED),
    "maps that grow": (GREEN, MANY),
}


class World:
    """The lab drawn above; h2 takes part in green alone."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        h1, h2 = lab.host("h1", [f"{H1}/24", f"{H1_6}/64"]), lab.host("h2", [f"{H2}/24", f"{H2_6}/64"])
        lab.link(h1, h2)
        self.h1, self.h2 = Host(h1, folder), Host(h2, folder)
        self.g = lab.vm("g", on=h1, address="10.0.1.1/24")
        self.k = lab.vm("k", on=h2, address="10.0.1.2/24")
        for number, name in enumerate("ac", 1):
            lab.vm(name, on=h1, address=f"10.0.0.{number}/24")
        h1.ip("link add net0 type bridge")  # a device that filters MACs, which veths and TAPs do not
        h1.ip("link set net0 up")
        self.two = replace(
            GREEN,
            vtep=Vtep(local=H2),
            segments=(replace(GREEN.segments[0], remotes=(H1,), senders=(f"{H1}/32",)),),
            ports=(Port(device="tap-k", segment="green"),),
        )

    def bring(self, state: HostState, kill_before: int = 0) -> int:
        """Let a new daemon take over and bring h1 to ``state``; return how many calls that took, 0 if it was killed.

        It varies by a few: what passing frames have taught is swept, too. Who ends earlier is not killed.
        """

        def work() -> None:
            # As `vxnet ovs-vswitchd` does, and vxnetd with all else; at their start they void the flows, too.
            daemon = Switch(self.h1.run_dir) if state.bridges else Keeper(self.h1.run_dir)
            failures = daemon.bring(state)
            assert not failures or not failures[1], failures
            daemon.touch()

        ended = run(self.h1, work, kill_before)
        assert ended.killed is (0 < kill_before <= ended.calls)
        if ended.killed:
            return 0
        assert self.h1.changes(state) == ()
        return ended.calls

    def take_down(self) -> None:
        """Let a new daemon take over and take all of it away, as it does when `vxnet down` asks it to."""
        Keeper(self.h1.run_dir).down()

    def went_down(self, before: dict[str, object], where: str) -> None:
        """Take h1 down from wherever it is; it is as before, and none of its programs and maps are left anywhere."""
        programs, maps = list(self.h1.programs().values()), list(self.h1.maps())
        self.h1.down()
        assert inventory(self.h1) == before, where
        self.h1.node.wait(lambda: gone(programs, maps), what="programs and maps to go")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Build it once."""
    with Lab.unique("killed") as lab:
        world = World(lab, tmp_path_factory.mktemp("killed"))
        world.h2.up(world.two)
        yield world
        world.h2.down()


def points(calls: int, some: int = POINTS) -> list[int]:
    """Return the calls before which to be killed."""
    every = range(1, calls + 1)
    return list(every) if EVERY else sorted(random.sample(every, min(some, calls)))


@pytest.mark.parametrize("name", PLANS)
def test_the_next_daemon_ends_what_was_begun(world: World, name: str) -> None:
    """Killed anywhere, the plan is carried out by who comes next, and back again, as if nobody had been killed."""
    start, goal = PLANS[name]
    world.bring(start)
    at_start = inventory(world.h1)
    calls = world.bring(goal)
    at_goal = inventory(world.h1)
    world.bring(start)
    with Stream(world.g, world.k) as stream:
        for point in points(calls):
            world.bring(goal, point)
            world.bring(goal)
            assert inventory(world.h1) == at_goal, f"killed before call {point} of {calls}, then gone on"
            world.bring(start)
            assert inventory(world.h1) == at_start, f"killed before call {point} of {calls}, and back"
            if start.vtep == goal.vtep:
                stream.flows(10)
    if start.vtep == goal.vtep:
        assert stream.lost == set()


@pytest.mark.parametrize("name", PLANS)
def test_who_changes_his_mind_finds_nothing_left(world: World, name: str) -> None:
    """Killed anywhere on the way there, the next daemon is asked for what was before, and that is all there is."""
    start, goal = PLANS[name]
    world.bring(start)
    at_start, calls = inventory(world.h1), world.bring(goal)
    world.bring(start)
    for point in points(calls):
        world.bring(goal, point)
        world.bring(start)
        assert inventory(world.h1) == at_start, f"killed before call {point} of {calls}"


@pytest.mark.parametrize("state", [SEGMENTS, BRIDGES], ids=["segments", "bridges"])
def test_down_leaves_nothing_wherever_it_was_killed(world: World, state: HostState) -> None:
    """Killed on the way up from nothing, or on the way down: `vxnet down` takes all away, and the host is as before."""
    world.h1.down()
    before, calls = inventory(world.h1), world.bring(state)
    down = run(world.h1, world.take_down).calls
    for point in points(calls):
        world.bring(state, point)
        world.went_down(before, f"killed before call {point} of {calls} on the way up")
    for point in points(down):
        world.bring(state)
        run(world.h1, world.take_down, point)
        world.went_down(before, f"killed before call {point} of {down} on the way down")


@pytest.mark.parametrize("state", [SEGMENTS, BRIDGES], ids=["segments", "bridges"])
def test_the_first_start_can_be_tried_again(world: World, state: HostState) -> None:
    """Killed on the way up from nothing, the next start is as good as the first."""
    world.h1.down()
    calls = world.bring(state)
    at_goal = inventory(world.h1)
    for point in points(calls):
        world.h1.down()
        world.bring(state, point)
        world.bring(state)
        assert inventory(world.h1) == at_goal, f"killed before call {point} of {calls}"
