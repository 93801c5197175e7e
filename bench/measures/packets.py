# SPDX-License-Identifier: Apache-2.0
"""Small packets from a to b: as many a second as a raw generator gets through, counted and dropped at b's eth0.

    a: trafgen --> eth0 ... the row ... eth0 ==sink==> counted, dropped      b

Counted by the program that drops them and not by the device: before Linux 6.7, unless mended since, a device does
not count what bpf_redirect_peer hands to it. And not by a socket: that would measure how fast a process is woken.
"""

from __future__ import annotations

import contextlib
import time
from ctypes import c_uint32, c_uint64
from typing import TYPE_CHECKING

from bench import bpf
from bench.process import running
from vxnet.datapath.libbpf import loading, rawmap
from vxnet.lab import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bed import Bed

DPORT = 9
"""sink.bpf.c."""

WARM_UP = 0.2
"""Seconds of traffic before counting begins: caches of all kinds are filled then."""

PACKET = """{{
    eth(da={there.mac}, sa={here.mac}, type=0x0800)
    ipv4(id=1, ttl=64, proto=17, len=50, sa={here.address}, da={there.address})
    udp(sport=dinc(1024, 60000), dport={dport}, len=30)
    fill(0x41, 22)
}}"""
"""For trafgen: 64 bytes, and a flow for each source port; it fills in the checksums."""


OPTIONS = ("--cpus", "1", "--qdisc-path", "--no-sock-mem", "--no-cpu-stats")
"""One process; through the stack as other programs' packets; the machine's settings left alone."""


def take(bed: Bed, seconds: int, packet: str = "") -> float:
    """Packets a second, of ``packet`` in trafgen's words if not of `PACKET`.

    Raises LabError if the generator fails, or nothing arrives.
    """
    with flowing(bed, packet) as counter:
        time.sleep(WARM_UP)
        before, begun = _count(counter), time.perf_counter()
        time.sleep(seconds)
        after, ended = _count(counter), time.perf_counter()
    return (after - before) / (ended - begun)


@contextlib.contextmanager
def flowing(bed: Bed, packet: str = "") -> Iterator[int]:
    """Let packets flow for the length of a ``with`` block: from the first that arrived on, as fast as they go.

    Yields the map that counts them. Raises LabError if nothing arrives, or if the generator has ended before the block.
    """
    loaded = bpf.load("sink")
    counter = loaded.maps["packets"]
    bpf.attach(bed.b, "eth0", loaded, "sink")
    try:
        packet = packet or PACKET.format(here=bed.a, there=bed.b, dport=DPORT)
        with running(bed.a, "trafgen", "--dev", "eth0", *OPTIONS, packet) as generator:
            wait_until(lambda: generator.check() and _count(counter), what="the generator's packets to arrive")
            yield counter
            generator.check()
    finally:
        bpf.detach(bed.b, "eth0", loaded)
        loading.close(loaded)


def _count(counter: int) -> int:
    """What the sink has counted on all CPUs."""
    counts = (c_uint64 * rawmap.cpus())()
    rawmap.lookup(counter, c_uint32(0), counts)
    return sum(counts)
