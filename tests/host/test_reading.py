# SPDX-License-Identifier: Apache-2.0
"""Who has read the kernel before reads only what is another one since: and finds what one finds who reads all of it."""

from __future__ import annotations

import random
from ctypes import c_uint32
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from vxnet.daemon.keeper import Keeper
from vxnet.datapath import vxlandev
from vxnet.datapath.actual import Reader, read
from vxnet.datapath.kernel import find
from vxnet.datapath.layout import Domain
from vxnet.model import DOWN, Bfd, Bridge, HostState, Port, Probe, Segment, Tunnel
from vxnet.plan import plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.running import Pair
    from vxnet.datapath.maps import Maps

REMOTES = tuple(IPv4Address("192.168.146.136") + n for n in range(3))
GROUPS = (IPv4Address("239.1.1.1"), IPv4Address("239.1.1.2"))
TUNNELS = 4790
"""The UDP port of bridges' tunnels: segments have their VTEP's for themselves."""
STEPS = 60


def segment(chance: random.Random, number: int) -> Segment:
    """Return one that may have changed in anything."""
    remotes = tuple(sorted(chance.sample(REMOTES, chance.randrange(3))))
    return Segment(
        name=f"s{number}",
        vni=number + chance.choice((100, 200)),
        remotes=remotes,
        group=None if remotes else chance.choice((None, *GROUPS)),
        ageing=chance.choice((60, 300)),
        senders=chance.choice((None, tuple(f"{remote}/32" for remote in remotes) or ("10.0.0.0/8",))),
    )


def some(chance: random.Random, state: HostState) -> HostState:
    """Return a state with some segments, bridges with a tunnel, and ports."""
    segments = tuple(segment(chance, number) for number in range(chance.randrange(12)))
    bridges = tuple(Bridge(name=f"br{n}", ageing=chance.choice((60, 300))) for n in range(chance.randrange(3)))
    tunnels = tuple(
        Tunnel(
            name=f"t{bridge.name}",
            bridge=bridge.name,
            vni=900 + n,
            vni_out=900 + n,
            remote=chance.choice(REMOTES),
            dstport=TUNNELS,
        )
        for n, bridge in enumerate(bridges)
        if chance.random() < 0.7
    )
    names = [*(each.name for each in segments), *(each.name for each in bridges)]
    devices = ("tap-a", "tap-c") if names else ()
    ports = tuple(Port(device=device, segment=chance.choice(names)) for device in devices if chance.random() < 0.8)
    bfd = Bfd(min_tx=chance.choice((300, 1000)), remotes=REMOTES[:2]) if chance.random() < 0.5 else None
    probe = Probe(interval=chance.choice((300, 1000))) if chance.random() < 0.5 else None
    return replace(
        state, bfd=bfd, probe=probe, segments=segments, bridges=bridges, tunnels=tunnels, ports=ports, fdb=()
    )


def damage(chance: random.Random, maps: Maps) -> str:
    """Break something that nobody but us would; say what."""
    what = chance.choice(("arrivals", "flood", "senders", "domains", "filter"))
    if what == "domains":
        slots = [key.value for key, domain in maps.domains.items() if any(bytes(domain))]
        if slots:
            maps.domains.put(c_uint32(chance.choice(slots)), Domain())
    elif what == "filter":
        overlay = next(iter(maps.vteps.items()))[1].overlay
        if entries := sorted(vxlandev.vnis(overlay), key=lambda entry: entry.vni):
            vxlandev.remove_vnis(overlay, [chance.choice(entries)])
    elif keys := [key for key, _ in getattr(maps, what).items()]:
        getattr(maps, what).remove(chance.choice(keys))
    return what


@pytest.mark.parametrize("seed", range(3))
def test_what_is_followed_is_what_is_there(pair: Pair, seed: int) -> None:
    """States come and go and things break, in any order; both readers agree after each step, down to the faults."""
    chance = random.Random(seed)
    pair.h1.down()
    with pair.h1.node.enter():
        run_dir = pair.h1.run_dir
        keeper, follower = Keeper(run_dir), Reader(run_dir)
        broken = 0
        for step in range(STEPS):
            done = _one(chance, keeper, pair.one, run_dir)
            fresh, followed = read(run_dir), follower.read()
            assert followed.state == fresh.state, (step, done)
            assert followed.faults == fresh.faults, (step, done)
            broken += bool(fresh.faults)
        assert broken
        wanted = some(chance, pair.one)
        keeper.bring(wanted)
        assert plan(wanted, follower.read()) == ()
        keeper.down()
        assert follower.read().state == DOWN
        keeper.bring(wanted)
        assert plan(wanted, follower.read()) == ()
        keeper.down()


def _one(chance: random.Random, keeper: Keeper, state: HostState, run_dir: Path) -> str:
    what = chance.choice(("bring", "bring", "damage", "repair"))
    maps = find(run_dir) if what == "damage" else None
    if maps:
        with maps:
            return damage(chance, maps)
    if what == "repair":
        keeper.repair()
    else:
        keeper.bring(some(chance, state))
    return what
