# SPDX-License-Identifier: Apache-2.0
"""Two states without what they share, so that a plan costs what changes and not what is there.

desired ----.                        .---- ports, tunnels, entries that differ, and all networks
             +--> narrowed() --> both +
standing ---'                        '---- the plan between them is the same
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from vxnet.model import FdbEntry, Neighbour, Port, Tunnel

if TYPE_CHECKING:
    from collections.abc import Callable

    from vxnet.model import HostState

T = TypeVar("T", Port, Tunnel, FdbEntry, Neighbour)


def narrowed(desired: HostState, standing: HostState) -> tuple[HostState, HostState]:
    """Return ``desired`` and ``standing`` without what is the same in both and stays where it is.

    `vxnet.plan.plan` has the same to say of them, if all of ``standing`` works.
    """
    if desired.vtep != standing.vtep:
        return desired, standing
    before = {segment.name: segment.vni for segment in standing.segments}
    staying = {segment.name for segment in desired.segments if before.get(segment.name) == segment.vni}
    staying |= {bridge.name for bridge in desired.bridges} & {bridge.name for bridge in standing.bridges}

    def apart(one: tuple[T, ...], other: tuple[T, ...], settled: Callable[[T], bool]) -> tuple[tuple[T, ...], ...]:
        common = {value for value in frozenset(one).intersection(other) if settled(value)}
        return tuple(v for v in one if v not in common), tuple(v for v in other if v not in common)

    ports = apart(desired.ports, standing.ports, lambda port: port.segment in staying)
    moving = {port.device for side in ports for port in side}
    tunnels = apart(desired.tunnels, standing.tunnels, lambda tunnel: tunnel.bridge in staying)
    fdb = apart(desired.fdb, standing.fdb, lambda e: e.segment in staying and e.port not in moving)
    neighbours = apart(desired.neighbours, standing.neighbours, lambda n: n.segment in staying)
    one, other = (
        msgspec.structs.replace(state, ports=ports[i], tunnels=tunnels[i], fdb=fdb[i], neighbours=neighbours[i])
        for i, state in enumerate((desired, standing))
    )
    return one, other
