# SPDX-License-Identifier: Apache-2.0
"""The same by Linux alone: a bridge and a VXLAN device for each segment, made by one `ip -batch` or as scripts do it.

linux           link add vx1 ...                 one process that is told all
linux-script    ip link add vx1 ...              a process for each step
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench.bed import made
from bench.measures import packets
from bench.rows import kernel_vxlan
from bench.scale.results import Networks
from bench.scale.segments import ROUNDS, SECONDS
from bench.scale.weight import kernel_memory, wait_until_freed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bed import Bed

FIRST_VNI = 10_000
PATIENCE = 600.0


def pairs(count: int, way: str = "linux") -> Networks:
    """Measure a host with so many, made in one of the `WAYS`."""
    carry_out = WAYS[way]
    held = kernel_memory()
    with made("pairs") as bed, kernel_vxlan.running(bed), made("alone") as alone, kernel_vxlan.running(alone):
        bed.settle()
        alone.settle()
        before = kernel_memory()
        took = carry_out(bed, list(_made(bed, count)))
        kernel = kernel_memory() - before
        flows = [(packets.take(bed, SECONDS), packets.take(alone, SECONDS)) for _ in range(ROUNDS)]
        changed = carry_out(bed, [f"link set vx{max(count - 1, 1)} type vxlan ageing 60"])
    wait_until_freed(held)
    return Networks(
        way=way,
        count=count,
        made=took,
        told=None,
        changed=changed,
        changed_file=None,
        kernel=kernel,
        daemon=0,
        packets=statistics.median(here for here, _ in flows),
        packets_alone=statistics.median(there for _, there in flows),
    )


def _made(bed: Bed, count: int) -> Iterator[str]:
    way = f"local {bed.h1.address} remote {bed.h2.address} dev eth0 dstport 4789 srcport 49152 65535 learning"
    for number in range(1, count):
        yield f"link add vx{number} type vxlan id {FIRST_VNI + number} {way}"
        yield f"link add sw{number} type bridge"
        yield f"link set vx{number} master sw{number} up"
        yield f"link set sw{number} up"


def _batch(bed: Bed, commands: list[str]) -> float:
    return _run(bed, ["ip", "-batch", "-"], commands)


def _script(bed: Bed, commands: list[str]) -> float:
    return _run(bed, ["sh", "-e"], [f"ip {command}" for command in commands])


def _run(bed: Bed, program: list[str], lines: list[str]) -> float:
    began = time.monotonic()
    bed.h1.run(*program, input="\n".join((*lines, "")), timeout=PATIENCE)
    return time.monotonic() - began


WAYS = {"linux": _batch, "linux-script": _script}
