# SPDX-License-Identifier: Apache-2.0
"""A segment with many remotes: what it takes to say so, and how fast a broadcast goes to all of them.

    a: broadcasts --> tap-a [h1: blue] ==a copy for each remote==> eth0: counted --> [h2]

All remotes are addresses that are routed to h2, which has one of them and drops the rest. What it takes at once is
bounded (`net.core.netdev_max_backlog`, 1000), so what counts is what leaves h1.
"""

from __future__ import annotations

import socket
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.bed import made
from bench.rows import vxnet
from bench.scale.host import Host
from bench.scale.results import Remotes
from bench.scale.segments import state
from vxnet.errors import LabError

if TYPE_CHECKING:
    from bench.bed import Bed
    from vxnet.lab import Node
    from vxnet.model import HostState

FIRST = IPv4Address("198.18.0.1")
NETWORK = "198.18.0.0/15"
BROADCASTS = 500
FRAME = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + bytes(46)
QUIET = 0.5


def remotes(count: int) -> Remotes:
    """Measure a segment with so many, two or more. LabError if a copy is missing."""
    with made("remotes") as bed, vxnet.running(bed):
        bed.settle()
        bed.h1.ip("route", "add", NETWORK, "via", str(bed.h2.address))
        bed.h2.ip("route", "add", "blackhole", NETWORK)
        host = Host(bed.h1, bed.folder / "h1")
        took = host.tell(_with(state(bed, 1), count))
        changed = host.tell(_with(state(bed, 1), count, FIRST + count))
        _broadcast(bed, count, 1)  # the way to each is found, and the neighbour is known
        return Remotes(
            remotes=count, made=took, changed=changed, copies=count * BROADCASTS / _broadcast(bed, count, BROADCASTS)
        )


def _with(desired: HostState, count: int, last: IPv4Address | None = None) -> HostState:
    (blue,) = desired.segments
    others = [FIRST + number for number in range(count - 1)]
    if last:
        others[-1] = last
    every = (*blue.remotes, *others)
    senders = tuple(sorted(f"{remote}/32" for remote in every))
    return msgspec.structs.replace(desired, segments=(msgspec.structs.replace(blue, remotes=every, senders=senders),))


def _broadcast(bed: Bed, count: int, frames: int) -> float:
    """Send so many; return the seconds until all copies have left."""
    expected = _sent(bed.h1) + count * frames
    with bed.a.enter():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0))
        began = time.monotonic()
        for _ in range(frames):
            sender.send(FRAME)
        last, gone = began, _sent(bed.h1)
        while gone < expected:
            before, gone = gone, _sent(bed.h1)
            last = time.monotonic() if gone != before else last
            if time.monotonic() - last > QUIET:
                raise LabError(f"of {count * frames} copies {expected - gone} are missing")
        return time.monotonic() - began


def _sent(node: Node) -> int:
    """Return what has left eth0, whether the other end had room for it or not."""
    with node.enter():
        lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.strip().startswith("eth0:"))
    fields = line.partition(":")[2].split()
    return int(fields[9]) + int(fields[11])
