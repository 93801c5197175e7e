# SPDX-License-Identifier: Apache-2.0
"""Many segments on one host, all with the same remote, the highest VNI among them; packets pass in one of them.

a -- tap-a [ h1: blue, s1, s2, ... ] eth0 ---- eth0 [ h2: blue ] tap-b -- b
"""

from __future__ import annotations

import statistics
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

from bench.bed import VNI, Bed, made
from bench.measures import packets
from bench.rows import vxnet
from bench.scale.host import Host
from bench.scale.results import Networks
from bench.scale.weight import kernel_memory
from vxnet.model import VNI_MAX, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from bench.bed import Bed

ROUNDS = 3
SECONDS = 2


def segments(count: int) -> Networks:
    """Measure a host with so many."""
    with made("scale") as bed, vxnet.running(bed), made("alone") as alone, vxnet.running(alone):
        host = Host(bed.h1, bed.folder / "h1")
        bed.settle()
        alone.settle()
        few, many = state(bed, 1), state(bed, count)
        before = kernel_memory()
        by_file = host.up(many)
        host.tell(few)
        told = host.tell(many)
        kernel = kernel_memory() - before
        daemon = host.memory
        flows = [(packets.take(bed, SECONDS), packets.take(alone, SECONDS)) for _ in range(ROUNDS)]
        changed = host.tell(with_ageing(many, 60))
        changed_file = host.up(with_ageing(many, 90))
        host.tell(few)
    return Networks(
        way="vxnet",
        count=count,
        made=by_file,
        told=told,
        changed=changed,
        changed_file=changed_file,
        kernel=kernel,
        daemon=daemon,
        packets=statistics.median(here for here, _ in flows),
        packets_alone=statistics.median(there for _, there in flows),
    )


def state(bed: Bed, count: int) -> HostState:
    """Return h1's state with so many segments."""
    local, remote = ip_address(str(bed.h1.address)), ip_address(str(bed.h2.address))
    senders = (f"{remote}/32",)
    others = (
        Segment(name=f"s{number}", vni=VNI_MAX - count + 1 + number, remotes=(remote,), senders=senders)
        for number in range(1, count)
    )
    return HostState(
        vtep=Vtep(local=local),
        segments=(Segment(name="blue", vni=VNI, remotes=(remote,), senders=senders), *others),
        ports=(Port(device=bed.a.device, segment="blue"),),
    )


def with_ageing(desired: HostState, ageing: int) -> HostState:
    """Return the state with another ageing of its last segment."""
    *others, last = desired.segments
    return msgspec.structs.replace(desired, segments=(*others, msgspec.structs.replace(last, ageing=ageing)))
