# SPDX-License-Identifier: Apache-2.0
"""The reference switch: storm control (rule 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.frames import GROUP_MAC, LOCAL, MAC_A, MAC_B, MAC_C, OTHER_REMOTE, REMOTE, frame, from_remote
from vxnet.drops import drop_reason
from vxnet.model import HostState, Port, Segment, Vtep
from vxnet.packet.mac import BROADCAST
from vxnet.switch.switch import Switch

if TYPE_CHECKING:
    from vxnet.model import IPAddress

STORM = drop_reason("STORM")


def switch(each: int = 0, total: int = 0, own: int | None = None) -> Switch:
    """Return a switch with one segment and two ports, of which tap1 may have its own limit."""
    segment = Segment(
        name="blue", vni=10, remotes=(REMOTE, OTHER_REMOTE), storm_control=each, storm_control_total=total
    )
    ports = (Port(device="tap0", segment="blue"), Port(device="tap1", segment="blue", storm_control=own))
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=(segment,), ports=ports))


def passed(host: Switch, place: str | IPAddress, count: int, now: float, sent: bytes = frame(MAC_A, BROADCAST)) -> int:
    """Let a place send a frame ``count`` times at once; return how many were flooded, the rest being a storm."""
    outcomes = [
        host.from_port(place, sent, now)
        if isinstance(place, str)
        else host.from_underlay(from_remote(sent, src=place), now)
        for _ in range(count)
    ]
    assert {outcome.drop for outcome in outcomes} <= {None, STORM}
    assert all(bool(outcome.copies) == (outcome.drop is None) for outcome in outcomes)
    return sum(outcome.drop is None for outcome in outcomes)


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_a_seconds_worth_at_once(limit: int) -> None:
    """A place that was silent for a second or more may flood its limit at once, and not one frame more."""
    host = switch(each=limit)
    assert passed(host, "tap0", limit + 5, 100.0) == limit
    assert passed(host, "tap0", limit + 5, 200.0) == limit
    assert host.port_traffic["tap0"].suppressed == host.drops[STORM] == 10


def test_then_so_many_a_second() -> None:
    """Who goes on gets his share of each second, as it goes by."""
    host = switch(each=10)
    assert passed(host, "tap0", 20, 100.0) == 10
    assert passed(host, "tap0", 20, 100.05) == 1
    assert passed(host, "tap0", 20, 100.31) == 3
    assert passed(host, "tap0", 20, 101.01) == 7


@pytest.mark.parametrize("dst", [BROADCAST, GROUP_MAC, MAC_C])
def test_all_that_is_flooded_counts(dst: str) -> None:
    """Broadcast, multicast and unknown unicast share one bucket."""
    host = switch(each=2)
    assert passed(host, "tap0", 1, 100.0) == 1
    assert passed(host, "tap0", 5, 100.0, frame(MAC_A, dst)) == 1


def test_known_unicast_does_not() -> None:
    """Unicast to a MAC that is known neither counts nor is stopped; what is stopped has taught its source."""
    host = switch(each=1)
    assert passed(host, "tap1", 2, 100.0, frame(MAC_B, BROADCAST)) == 1
    assert passed(host, "tap0", 5, 100.0, frame(MAC_A, MAC_B)) == 5
    assert passed(host, "tap0", 2, 100.0) == 1
    assert passed(host, "tap0", 1, 100.0, frame(MAC_C, BROADCAST)) == 0
    assert MAC_C in {row.mac for row in host.fdb()}


def test_each_place_has_its_own() -> None:
    """One port's storm takes nothing from another port, nor one remote's from another remote."""
    host = switch(each=2)
    for place in ("tap0", "tap1", REMOTE, OTHER_REMOTE):
        assert passed(host, place, 5, 100.0) == 2
    assert host.tunnel_traffic["blue"].suppressed == 6


def test_a_ports_own_limit() -> None:
    """A port's own limit goes before its segment's, also where that has none."""
    assert passed(switch(each=2, own=4), "tap1", 10, 100.0) == 4
    assert passed(switch(own=4), "tap1", 10, 100.0) == 4
    assert passed(switch(own=4), "tap0", 10, 100.0) == 10


def test_all_together() -> None:
    """The total holds for all places together, after what each may send: what one has too much is not the others'."""
    host = switch(each=3, total=5)
    assert [passed(host, place, 10, 100.0) for place in ("tap0", "tap1", REMOTE)] == [3, 2, 0]
    host = switch(total=5)
    assert [passed(host, place, 4, 100.0) for place in ("tap0", "tap1", REMOTE)] == [4, 1, 0]


def test_no_limit() -> None:
    """Without a word, nothing is stopped."""
    assert passed(switch(), "tap0", 1000, 100.0) == 1000
