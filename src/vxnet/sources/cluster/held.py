# SPDX-License-Identifier: Apache-2.0
"""What a kernel holds, in the cluster's words: the answer to an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cluster.messages import Held, HeldSegment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vxnet.model import HostState, IPAddress


def held(
    state: HostState, ports: Mapping[str, str], *, revision: int, local: IPAddress, waiting: Collection[str]
) -> Held:
    """Return what ``state``, read back from the kernel, says of the segments. ``ports``: the port at each device."""
    segments = []
    for segment in state.segments:
        entries = [entry for entry in state.fdb if entry.segment == segment.name]
        places = ((e.mac, str(e.remote) if e.port is None else ports.get(e.port, e.port)) for e in entries)
        answers = ((n.address, n.mac) for n in state.neighbours if n.segment == segment.name)
        attached = (ports.get(port.device, port.device) for port in state.ports if port.segment == segment.name)
        segments.append(
            HeldSegment(
                id=segment.name,
                vni=segment.vni,
                remotes=tuple(map(str, sorted(segment.remotes))),
                fdb=tuple(sorted(places)),
                neighbours=tuple(sorted(answers)),
                ports=tuple(sorted(attached)),
            )
        )
    vtep = str(state.vtep.local if state.vtep else local)
    return Held(revision=revision, local=vtep, segments=tuple(sorted(segments)), waiting=tuple(sorted(waiting)))
