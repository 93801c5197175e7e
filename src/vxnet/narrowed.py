# SPDX-License-Identifier: Apache-2.0
"""Two states without what they share, so that a plan costs what changes and not what is there.

desired ----.                        .---- what differs, the networks that is in, and all bridges
             +--> narrowed() --> both +
standing ---'                        '---- the plan between them is the same
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from vxnet.model import FdbEntry, Neighbour, Port, Tunnel
from vxnet.plan import Actual, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from vxnet.model import HostState
    from vxnet.plan import Change

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
    named = {value.segment for sides in (ports, fdb, neighbours) for side in sides for value in side}
    there = {segment.name: segment for segment in standing.segments if segment.name not in named}
    settled = {segment.name for segment in desired.segments if there.get(segment.name) == segment}
    one, other = (
        msgspec.structs.replace(
            state,
            segments=tuple(segment for segment in state.segments if segment.name not in settled),
            ports=ports[i],
            tunnels=tunnels[i],
            fdb=fdb[i],
            neighbours=neighbours[i],
        )
        for i, state in enumerate((desired, standing))
    )
    return one, other


def changes(desired: HostState, actual: Actual) -> tuple[Change, ...]:
    """Return the plan; where all works that is there, of what differs alone."""
    if actual.faults:
        return plan(desired, actual)
    goal, there = narrowed(desired, actual.state)
    return plan(goal, Actual(there))
