# SPDX-License-Identifier: Apache-2.0
"""Two states without what they share: the plan between them is the plan between the whole ones."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.test_plan_property import states
from vxnet.model import DOWN, Bridge, FdbEntry, HostState, Neighbour, Port, Segment, Tunnel, Vtep
from vxnet.narrowed import narrowed
from vxnet.plan import Actual, plan


@st.composite
def bridged(draw: st.DrawFn) -> HostState:
    """Draw a state with bridges beside its segments."""
    state = draw(states())
    names = draw(st.lists(st.sampled_from(("br0", "br1")), unique=True))
    if not names:
        return state
    taken = {port.device for port in state.ports}
    ports = tuple(
        Port(
            device=device, segment=draw(st.sampled_from(names)), internal=internal, mtu=draw(st.sampled_from((None, 9)))
        )
        for device, internal in (("tap-c", False), ("in0", True))
        if device not in taken and draw(st.booleans())
    )
    tunnels = tuple(
        Tunnel(name=name, bridge=draw(st.sampled_from(names)), vni=vni, vni_out=vni, remote=None)
        for name, vni in (("t0", draw(st.sampled_from((1, 2)))), ("t1", 3))
        if draw(st.booleans())
    )
    bridges = tuple(Bridge(name=name, ageing=draw(st.sampled_from((300, 60)))) for name in names)
    return replace(state, bridges=bridges, tunnels=tunnels, ports=(*state.ports, *ports))


@given(bridged(), bridged())
def test_the_plan_is_the_same(desired: HostState, standing: HostState) -> None:
    """Step for step, with the same reasons, whatever has changed."""
    goal, there = narrowed(desired, standing)
    assert plan(goal, Actual(there)) == plan(desired, Actual(standing))


@given(bridged())
def test_of_what_is_the_same_nothing_is_left(state: HostState) -> None:
    """But the VTEP, BFD, probes and bridges, which are few."""
    for left in narrowed(state, state):
        assert left == replace(DOWN, vtep=state.vtep, bfd=state.bfd, probe=state.probe, bridges=state.bridges)


def test_one_entry_more_is_all_that_is_left() -> None:
    """A hundred that are there do not count."""
    segment = Segment(name="blue", vni=10)
    entries = [
        FdbEntry(segment="blue", mac=f"02:00:00:00:00:{n:02x}", remote=IPv4Address("192.0.2.2")) for n in range(99)
    ]
    neighbours = tuple(Neighbour(segment="blue", address=f"10.0.0.{n}", mac="02:00:00:00:00:01") for n in range(99))
    vtep = Vtep(local=IPv4Address("192.0.2.1"))
    standing = HostState(vtep=vtep, segments=(segment,), fdb=tuple(entries[:-1]), neighbours=neighbours)
    goal, there = narrowed(replace(standing, fdb=tuple(entries)), standing)
    assert (goal.fdb, there.fdb) == ((entries[-1],), ())
    assert (goal.neighbours, there.neighbours) == ((), ())
