# SPDX-License-Identifier: Apache-2.0
"""The reference switch: a MAC that is in two places at once (rule 12; RFC 7432, section 15.1)."""

from __future__ import annotations

from itertools import cycle, islice
from typing import TYPE_CHECKING

from tests.unit.frames import LOCAL, MAC_A, OTHER_REMOTE, REMOTE
from tests.unit.test_switch_fdb import places, see
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.switch.duplicates import DUPLICATE_TIME
from vxnet.switch.switch import Switch

if TYPE_CHECKING:
    from tests.unit.test_switch_fdb import Where


def switch(*, max_moves: int = 5, ageing: int = 300, maxaddress: int = 100, fdb: tuple[FdbEntry, ...] = ()) -> Switch:
    """Return a switch with one segment and three ports."""
    segment = Segment(name="blue", vni=10, remotes=(REMOTE,), max_moves=max_moves, ageing=ageing, maxaddress=maxaddress)
    ports = tuple(Port(device=f"tap{n}", segment="blue") for n in range(3))
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=(segment,), ports=ports, fdb=fdb))


def seen(host: Switch, places_: tuple[Where, ...], now: float) -> list[Where]:
    """Let MAC_A be seen at each place; return where it was learned each time."""
    learned = []
    for place in places_:
        see(host, MAC_A, place, now)
        learned.append(places(host)[MAC_A][0])
    return learned


def to_and_fro(host: Switch, home: Where, other: Where, moves: int, now: float) -> list[Where]:
    """Let MAC_A be at home, and then move so often."""
    return seen(host, (home, *islice(cycle((other, home)), moves)), now)


def test_the_fifth_move_in_180_seconds_is_the_last() -> None:
    """Four moves are followed at once; the fifth is not made, and the MAC stays where it was before the first."""
    host = switch()
    assert to_and_fro(host, "tap0", REMOTE, 5, 0) == ["tap0", REMOTE, "tap0", REMOTE, "tap0", "tap0"]
    assert seen(host, (REMOTE, "tap1", "tap0", OTHER_REMOTE), 1) == ["tap0"] * 4
    assert host.tunnel_traffic["blue"].unlearned == 3
    assert host.port_traffic["tap1"].unlearned == 1


def test_it_goes_home_from_wherever_it_is() -> None:
    """Home is where it was first, not where it is when it has moved too often: nobody can choose by when he stops."""
    host = switch()
    assert seen(host, ("tap0", "tap1", "tap2", "tap1", "tap2", "tap1"), 0)[-2:] == ["tap2", "tap0"]


def test_moves_that_are_far_apart_do_not_count() -> None:
    """A machine may move four times in 180 seconds, for ever."""
    host = switch(ageing=0)
    home, other = "tap0", "tap1"
    for n in range(20):
        assert to_and_fro(host, home, other, 4, n * DUPLICATE_TIME)[-1] == home


def test_after_180_seconds_it_may_move_again() -> None:
    """Nothing has to be done by hand once there is one place again."""
    host = switch()
    to_and_fro(host, "tap0", REMOTE, 5, 0)
    assert seen(host, ("tap0", REMOTE), DUPLICATE_TIME - 1) == ["tap0", "tap0"]
    assert seen(host, (REMOTE,), DUPLICATE_TIME) == [REMOTE]


def test_its_home_may_be_silent() -> None:
    """A duplicate whose entry has aged out is learned nowhere but at home; it is flooded to meanwhile."""
    host = switch(ageing=10)
    to_and_fro(host, "tap0", "tap1", 5, 0)
    host.sweep(20)
    see(host, MAC_A, "tap1", 20)
    assert places(host) == {}
    assert seen(host, ("tap0", "tap1"), 21) == ["tap0", "tap0"]


def test_other_macs_do_not_mind() -> None:
    """Each MAC is counted by itself."""
    host = switch()
    to_and_fro(host, "tap0", "tap1", 5, 0)
    for place in ("tap0", "tap1"):
        see(host, "02:00:00:00:00:0d", place, 0)
    assert places(host)["02:00:00:00:00:0d"] == ("tap1", 0)


def test_as_often_as_it_likes() -> None:
    """With max_moves = 0 a MAC is always where it was seen last."""
    host = switch(max_moves=0)
    assert to_and_fro(host, "tap0", "tap1", 101, 0)[-1] == "tap1"


def test_one_move_is_one_too_many() -> None:
    """With max_moves = 1 a MAC stays where it is."""
    assert to_and_fro(switch(max_moves=1), "tap0", "tap1", 3, 0) == ["tap0"] * 4


def test_static_entries_have_no_moves() -> None:
    """What was written by hand is where it is, and no duplicate."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=MAC_A, port="tap2"),))
    assert to_and_fro(host, "tap0", "tap1", 9, 0) == ["tap2"] * 10
    assert host.port_traffic["tap0"].unlearned == 0


def test_there_must_be_room_at_home() -> None:
    """A home that has taught its share meanwhile does not get it back: it stays where it is."""
    host = switch(maxaddress=1)
    assert seen(host, ("tap0", "tap1", "tap2"), 0) == ["tap0", "tap1", "tap2"]
    see(host, "02:00:00:00:00:0d", "tap0", 0)
    assert seen(host, ("tap1", "tap2", "tap1"), 0) == ["tap1", "tap2", "tap2"]


def test_a_move_that_is_not_learned_is_none() -> None:
    """A place that has taught its share takes no MAC away, however often it is seen there."""
    host = switch(maxaddress=1)
    see(host, "02:00:00:00:00:0d", "tap1", 0)
    assert to_and_fro(host, "tap0", "tap1", 9, 0) == ["tap0"] * 10
    assert host.port_traffic["tap1"].unlearned == 5
    assert to_and_fro(host, "tap0", "tap2", 5, 0) == ["tap0", "tap2", "tap0", "tap2", "tap0", "tap0"]
