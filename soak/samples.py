# SPDX-License-Identifier: Apache-2.0
"""What a soak looks at while it runs: one sample after another, and the pings in between."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from soak.world import LASTING
from vxnet.datapath.devices import devices
from vxnet.datapath.libbpf import objects

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from soak.world import World
    from tests.support.stream import Stream
    from vxnet.lab import Node

PING = 0.1
"""Seconds between two pings."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look. ``at`` in seconds since the beginning; sizes in bytes; round trips in microseconds, None without any.

    ``rss`` and ``descriptors`` are of the daemon that lasts, all else is of all hosts together.
    """

    at: float
    deeds: int
    rss: int
    descriptors: int
    map_bytes: int
    fdb: int
    programs: int
    maps: int
    devices: int
    ping_median: float | None
    ping_p99: float | None
    pings_lost: int
    sent: int
    lost: int
    again: int


class Pings:
    """ping(8) from one machine to another, as long as the ``with`` block lasts."""

    def __init__(self, source: Node, target: Node) -> None:
        self._words = ("ping", "-n", "-i", str(PING), str(target.address))
        self._node = source
        self._times: list[float] = []
        self._lost = self._last = 0
        self._lock = threading.Lock()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if found := re.search(r"icmp_seq=(\d+) .*time=([\d.]+) ms", line):
                with self._lock:
                    self._times.append(float(found[2]) * 1000)
                    self._count(int(found[1]))

    def _count(self, number: int) -> None:
        """Count those that this answer has overtaken, until theirs comes; numbers have 16 bits."""
        ahead = (number - self._last) & 0xFFFF
        if ahead < 1 << 15:
            self._lost, self._last = self._lost + ahead - 1, number
        else:
            self._lost -= 1

    def take(self) -> tuple[list[float], int]:
        """Return the round trips (microseconds) since this was asked last, sorted, and how many are lost so far."""
        with self._lock:
            times, self._times = sorted(self._times), []
            return times, self._lost

    def __enter__(self) -> Self:
        """Begin."""
        self._process = self._node.popen(*self._words, stdout=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._reader.join()


class Sampler:
    """Takes samples, and remembers every program and map that it has seen."""

    def __init__(self, world: World, streams: Sequence[Stream], pings: Pings) -> None:
        self._world, self._streams, self._pings = world, streams, pings
        self.programs: set[int] = set()
        self.maps: set[int] = set()

    def take(self, at: float, deeds: int) -> Sample:
        """Look at everything."""
        world = self._world
        programs, there = 0, 0
        maps: list[int] = []
        for host in world.hosts.values():
            found = host.programs()
            programs, self.programs = programs + len(found), self.programs | set(found.values())
            maps += host.maps()
            with host.node.enter():
                there += len(devices().by_index)
        self.maps.update(maps)
        for stream in self._streams:
            stream.receive()
        times, pings_lost = self._pings.take()
        daemon = Path("/proc", str(world.hosts[LASTING].pid))
        return Sample(
            at=round(at, 1),
            deeds=deeds,
            rss=_rss(daemon),
            descriptors=len(list((daemon / "fd").iterdir())),
            map_bytes=sum(map(_memory, maps)),
            fdb=sum(len(host.fdb()) for host in world.hosts.values()),
            programs=programs,
            maps=len(maps),
            devices=there,
            ping_median=statistics.median(times) if times else None,
            ping_p99=times[int(0.99 * len(times))] if times else None,
            pings_lost=pings_lost,
            sent=sum(stream.sent for stream in self._streams),
            lost=sum(len(stream.overtaken) for stream in self._streams),
            again=sum(stream.again for stream in self._streams),
        )

    def after(self, last: Sample) -> Sample:
        """Return the last sample as it is when the streams have stopped, and what was on its way has arrived."""
        lost, again = sum(len(stream.lost) for stream in self._streams), sum(stream.again for stream in self._streams)
        sent = sum(stream.sent for stream in self._streams)
        return msgspec.structs.replace(last, sent=sent, lost=lost, again=again, pings_lost=self._pings.take()[1])


def _rss(process: Path) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text(encoding="ascii"))
    return int(found[1]) * 1024 if found else 0


def _memory(map_id: int) -> int:
    """Return what the kernel says a map takes."""
    found = objects.map_by_id(map_id)
    if not found:
        return 0
    try:
        info = Path("/proc/self/fdinfo", str(found[1])).read_text(encoding="ascii")
    finally:
        os.close(found[1])
    taken = re.search(r"memlock:\s+(\d+)", info)
    return int(taken[1]) if taken else 0
