# SPDX-License-Identifier: Apache-2.0
"""A million MACs at one port: learned from real frames, found while forwarding, looked through for aged ones, shown.

a: frames from 02:00:00:xx:xx:xx, to nobody known    --> tap-a [h1] ----> [h2] tap-b --> b      both hosts learn
b: trafgen, to 65536 of them, by chance              --> tap-b [h2] ----> [h1] tap-a --> a: counted
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from typing import TYPE_CHECKING

import msgspec

from bench.bed import made
from bench.measures import packets
from bench.rows import vxnet
from bench.scale.host import Host
from bench.scale.results import Fdb
from bench.scale.segments import ROUNDS, SECONDS, state
from vxnet.datapath.kernel import find
from vxnet.datapath.maps import SIZES
from vxnet.datapath.slots import Slots
from vxnet.datapath.sweep import sweep
from vxnet.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bed import Bed
    from vxnet.datapath.maps import Maps
    from vxnet.lab import Node
    from vxnet.model import HostState

MOST = 1 << 20
AGEING = 100_000
PATIENCE = 300.0
EACH = 65_536
"""Addresses that are asked for in turn: sixteen times what the cache of flows holds."""

PACKET = """{{
    0x02, 0x00, 0x00, 0x00, drnd(2),
    {source},
    0x08, 0x00,
    0x45, 0x00, const16(50), const16(1), 0x00, 0x00, 0x40, 0x11, csumip(14, 33),
    {here}, {there},
    const16(1024), const16({dport}), const16(30), const16(0),
    fill(0x41, 22)
}}"""
"""For trafgen: 64 bytes to any of the first addresses."""


def fdb(entries: int) -> Fdb:
    """Measure an FDB with so many. LabError if it does not learn them."""
    with made("fdb") as bed, vxnet.running(bed):
        bed.settle()
        one, two = (Host(node, bed.folder / node.name) for node in (bed.h1, bed.h2))
        one.tell(_learns(state(bed, 1)))
        two.tell(_learns(state(_turned(bed), 1)))
        began = time.monotonic()
        _teach(one, bed.a, entries)
        learned = time.monotonic() - began
        with _maps(one) as maps:
            found = statistics.median(packets.take(_turned(bed), SECONDS, _packet(bed)) for _ in range(ROUNDS))
            began = time.monotonic()
            swept = sweep(maps, Slots(maps), time.monotonic_ns())
            took = time.monotonic() - began
            if swept.learned < entries:
                raise LabError(f"of {entries} entries {swept.learned} are left")
        return Fdb(entries=entries, learned=learned, found=found, sweep=took, dump=one.vxnet("fdb", "--json"))


def _learns(desired: HostState) -> HostState:
    (blue,) = desired.segments
    return msgspec.structs.replace(desired, segments=(msgspec.structs.replace(blue, maxaddress=MOST, ageing=AGEING),))


def _turned(bed: Bed) -> Bed:
    """The same from b to a."""
    return bed._replace(h1=bed.h2, h2=bed.h1, a=bed.b, b=bed.a)


def _packet(bed: Bed) -> str:
    def octets(text: str, separator: str, base: int) -> str:
        return ", ".join(str(int(part, base)) for part in text.split(separator))

    return PACKET.format(
        source=octets(str(bed.b.mac), ":", 16),
        here=octets(str(bed.b.address), ".", 10),
        there=octets(str(bed.a.address), ".", 10),
        dport=packets.DPORT,
    )


def _teach(host: Host, node: Node, entries: int) -> None:
    """Send frames from as many sources until all are in the FDB: what finds no room is not learned, and comes again."""
    deadline = time.monotonic() + PATIENCE
    with node.enter():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0))
        while (there := _entries(host)) < entries:
            if time.monotonic() > deadline:
                raise LabError(f"of {entries} addresses {there} were learned")
            for number in range(entries):
                sender.send(b"\2\0\0\0\0\1\2\0\0" + number.to_bytes(3, "big") + b"\x88\xb5" + bytes(46))


def _entries(host: Host) -> int:
    """Return how many the FDB has: it is another map each time it has grown."""
    with _maps(host) as maps:
        return sum(len(keys) for keys, _ in maps.fdb.raw()) // SIZES["fdb"][0]


@contextlib.contextmanager
def _maps(host: Host) -> Iterator[Maps]:
    with host.node.enter():
        maps = find(host.run_dir)
    if maps is None:
        raise LabError(f"{host.node.name}: vxnet is not up")
    with maps:
        yield maps
