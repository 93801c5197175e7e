# SPDX-License-Identifier: Apache-2.0
"""Maps that grow under traffic: not a packet is lost, and nothing is forgotten."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.support.running import gone, wait
from tests.support.stream import Stream
from vxnet.daemon.keeper import Keeper
from vxnet.datapath import report
from vxnet.datapath.actual import read
from vxnet.datapath.kernel import find
from vxnet.datapath.layout import FdbKey, FdbValue, Place
from vxnet.datapath.slots import Slots
from vxnet.model import FdbEntry, HostState, Neighbour, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.running import Host, Pair
    from vxnet.datapath.maps import Maps

FIRST_DOMAINS, FIRST_FDB, FIRST_NEIGHBOURS = 1024, 1 << 17, 1 << 13


@contextmanager
def maps_of(host: Host) -> Iterator[Maps]:
    """Open the maps of a host's switch."""
    with host.node.enter():
        maps = find(host.run_dir)
    assert maps
    with maps:
        yield maps


def capacity(host: Host, name: str) -> int:
    """Return how many elements one of its maps holds now."""
    with maps_of(host) as maps:
        return maps.capacity(name)


def packets_out_of(host: Host, device: str) -> int:
    """Return what its counters say that has left through a port."""
    with host.node.enter():
        return report.members(host.run_dir)[device].tx_packets


def macs(host: Host) -> set[str]:
    """Return the addresses in its FDB."""
    with host.node.enter():
        return {row.mac for row in report.fdb(host.run_dir)}


def more(state: HostState, count: int) -> HostState:
    """Return the state with so many segments more."""
    return replace(state, segments=(*state.segments, *(Segment(name=f"s{n}", vni=10_000 + n) for n in range(count))))


def test_segments(pair: Pair) -> None:
    """Twice as many as the maps hold come while packets pass: all arrive, are counted, and the FDB is as before."""
    assert capacity(pair.h2, "domains") == FIRST_DOMAINS
    assert pair.a.ping(pair.b)
    learned = macs(pair.h2)
    counted = packets_out_of(pair.h2, "tap-b")
    programs, maps = pair.h2.programs().values(), pair.h2.maps()
    with Stream(pair.a, pair.b) as stream:
        pair.h2.up(more(pair.two, 2 * FIRST_DOMAINS))
        stream.flows(100)
        pair.h2.up(more(pair.two, 1))
        stream.flows(100)
    assert stream.lost == set()
    assert packets_out_of(pair.h2, "tap-b") - counted >= stream.sent
    assert capacity(pair.h2, "domains") > 2 * FIRST_DOMAINS
    assert capacity(pair.h2, "moves") == capacity(pair.h2, "domains")
    assert learned
    assert learned <= macs(pair.h2)
    old = maps.keys() - pair.h2.maps().keys()
    assert {maps[number] for number in old} == {"domains", "moves", "storms", "tx_flows", "rx_flows"}
    wait(lambda: gone(programs, old), "what was too small to be gone")


def test_what_is_learned(pair: Pair) -> None:
    """More than half of the FDB is learned: the next sweep makes room, before anything finds none."""
    with maps_of(pair.h2) as maps:
        assert maps.capacity("fdb") == FIRST_FDB
        slots = Slots(maps)
        domain, port = slots.domain_of("blue"), slots.port("tap-b")
        assert domain
        assert port
        now = time.monotonic_ns()
        maps.fdb.put_all(
            (FdbKey.of(domain, (0x020000000000 + n).to_bytes(6, "big")), FdbValue(Place(port), 0, now))
            for n in range(FIRST_FDB // 2 + 1)
        )
        with Stream(pair.a, pair.b) as stream:
            pair.h2.node.wait(lambda: capacity(pair.h2, "fdb") > FIRST_FDB, what="the FDB to grow", timeout=20)
            stream.flows(100)
        assert stream.lost == set()
    with maps_of(pair.h2) as maps:
        assert sum(1 for _ in maps.fdb.items()) > FIRST_FDB // 2
    pair.h2.down()


def test_one_by_one(pair: Pair) -> None:
    """A map that turns out to be full when the last of many is written grows then, too."""
    addresses = tuple(
        Neighbour(segment="blue", address=f"10.1.{n >> 8}.{n & 255}", mac="02:00:00:00:00:01")
        for n in range(FIRST_NEIGHBOURS + 1)
    )
    pair.h1.down()
    with pair.h1.node.enter():
        keeper = Keeper(pair.h1.run_dir)
        for count in (FIRST_NEIGHBOURS // 2, FIRST_NEIGHBOURS, FIRST_NEIGHBOURS + 1):
            keeper.bring(replace(pair.one, neighbours=addresses[:count]))
            assert len(read(pair.h1.run_dir).state.neighbours) == count
    assert capacity(pair.h1, "neighbours") == 2 * FIRST_NEIGHBOURS
    pair.h1.down()


def test_static_entries(pair: Pair) -> None:
    """As many as there are to be are there, and one more than the FDB held at first is one of them."""
    remote = pair.one.segments[0].remotes[0]
    entries = tuple(
        FdbEntry(segment="blue", mac=f"02:00:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}", remote=remote)
        for n in range(5000)
    )
    desired = replace(pair.one, fdb=entries)
    pair.h1.up(desired)
    assert pair.h1.changes(desired) == ()
