# SPDX-License-Identifier: Apache-2.0
"""The reference switch: learning, moving, ageing and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tests.unit.frames import LOCAL, MAC_A, MAC_B, MAC_C, OTHER_REMOTE, REMOTE, frame, from_remote
from vxnet.drops import drop_reason
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet.mac import BROADCAST
from vxnet.switch.fdb import FdbRow
from vxnet.switch.outcome import Behind, ToPort
from vxnet.switch.switch import Switch

if TYPE_CHECKING:
    from vxnet.model import IPAddress

MAC_D = "02:00:00:00:00:0d"

Where: TypeAlias = "str | IPAddress"
"""A port, or a remote behind the segment's tunnel."""


def switch(
    *, fdb: tuple[FdbEntry, ...] = (), ageing: int = 300, maxaddress: int = 100, learning: bool = True
) -> Switch:
    """Return a switch with one segment and two ports."""
    segment = Segment(name="blue", vni=10, remotes=(REMOTE,), ageing=ageing, maxaddress=maxaddress, learning=learning)
    ports = (Port(device="tap0", segment="blue"), Port(device="tap1", segment="blue"))
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=(segment,), ports=ports, fdb=fdb))


def see(host: Switch, mac: str, place: Where, now: float) -> None:
    """Let a broadcast from ``mac`` arrive from ``place``; it must be forwarded whatever it teaches."""
    sent = frame(mac, BROADCAST)
    if isinstance(place, str):
        assert host.from_port(place, sent, now).copies
    else:
        assert host.from_underlay(from_remote(sent, src=place), now).copies


def places(host: Switch) -> dict[str, tuple[Where, float | None]]:
    """Return where each MAC is and when it was last seen."""
    return {row.mac: (row.where, row.last_seen) for row in host.fdb()}


def test_rows_say_all() -> None:
    """A row holds segment, VNI, MAC, place, state and, if learned, when it was last seen."""
    host = switch(
        fdb=(FdbEntry(segment="blue", mac=MAC_B, remote=REMOTE), FdbEntry(segment="blue", mac=MAC_C, port="tap1"))
    )
    see(host, MAC_A, "tap0", 7.5)
    assert host.fdb() == (
        FdbRow(segment="blue", vlan=0, mac=MAC_B, place=Behind("blue", REMOTE), state="static", last_seen=None),
        FdbRow(segment="blue", vlan=0, mac=MAC_C, place="tap1", state="static", last_seen=None),
        FdbRow(segment="blue", vlan=0, mac=MAC_A, place="tap0", state="learned", last_seen=7.5),
    )


def test_seen_again_is_younger() -> None:
    """Every frame refreshes its source's entry."""
    host = switch()
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_A, "tap0", 200)
    assert places(host) == {MAC_A: ("tap0", 200)}


def test_moves() -> None:
    """A MAC is where it was seen last: port to port, port to remote, remote to remote and back."""
    host = switch()
    journey: tuple[Where, ...] = ("tap0", "tap1", REMOTE, OTHER_REMOTE, "tap0")
    for now, place in enumerate(journey):
        see(host, MAC_A, place, now)
        assert places(host) == {MAC_A: (place, now)}


def test_static_is_never_overwritten() -> None:
    """Rule 2: what was written by hand stays, wherever the MAC is seen."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=MAC_A, remote=OTHER_REMOTE),))
    for place in ("tap0", REMOTE, OTHER_REMOTE):
        see(host, MAC_A, place, 1)
    host.sweep(10**9)
    assert places(host) == {MAC_A: (OTHER_REMOTE, None)}


def test_without_learning_only_static_entries_are_known() -> None:
    """With `learning = false` nothing is taught, from ports and remotes alike."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=MAC_C, port="tap1"),), learning=False)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_B, REMOTE, 0)
    assert set(places(host)) == {MAC_C}
    assert host.port_traffic["tap0"].unlearned == 0
    sent = frame(MAC_A, MAC_C)
    assert host.from_port("tap0", sent, 1).copies == (ToPort("tap1", sent),)


def test_ageing_at_the_exact_second() -> None:
    """Rule 5: an entry counts until it is as old as the ageing time, then the frame is flooded."""
    host = switch(ageing=300)
    see(host, MAC_A, "tap0", 0)
    sent = frame(MAC_B, MAC_A)
    assert len(host.from_port("tap1", sent, 299.9).copies) == 1
    assert len(host.from_port("tap1", sent, 300).copies) == 2


def test_expired_remote_is_flooded_not_dropped() -> None:
    """An expired entry behind a remote no longer holds back what the underlay sends."""
    host = switch(ageing=300)
    see(host, MAC_A, REMOTE, 0)
    to_a = from_remote(frame(MAC_B, MAC_A), src=OTHER_REMOTE)
    assert host.from_underlay(to_a, 299).drop is drop_reason("SPLIT_HORIZON")
    assert len(host.from_underlay(to_a, 300).copies) == 2


def test_ageing_zero_is_for_ever() -> None:
    """With `ageing = 0` entries are kept, through sweeps too."""
    host = switch(ageing=0)
    see(host, MAC_A, "tap0", 0)
    host.sweep(10**9)
    assert len(host.from_port("tap1", frame(MAC_B, MAC_A), 10**9).copies) == 1


def test_sweep_forgets_what_has_expired() -> None:
    """The sweep takes what has expired and nothing else; until then it is held."""
    host = switch(ageing=300)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_B, "tap0", 1)
    assert set(places(host)) == {MAC_A, MAC_B}
    host.sweep(300)
    assert set(places(host)) == {MAC_B}


def test_expired_entry_that_is_seen_again_lives() -> None:
    """Seen at its place it is young again; seen elsewhere it has moved."""
    host = switch(ageing=300)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_A, "tap0", 1000)
    assert places(host) == {MAC_A: ("tap0", 1000)}
    see(host, MAC_A, "tap1", 2000)
    assert places(host) == {MAC_A: ("tap1", 2000)}


def test_limit_holds_for_one_place() -> None:
    """A port that has taught its share teaches no more; its frames go on, the other port and remotes still teach."""
    host = switch(maxaddress=1)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_B, "tap0", 1)
    assert places(host) == {MAC_A: ("tap0", 0)}
    assert host.port_traffic["tap0"].unlearned == 1
    see(host, MAC_B, "tap1", 2)
    see(host, MAC_C, REMOTE, 3)
    see(host, MAC_D, REMOTE, 4)
    assert host.tunnel_traffic["blue"].unlearned == 1
    see(host, MAC_D, OTHER_REMOTE, 5)
    assert places(host) == {
        MAC_A: ("tap0", 0),
        MAC_B: ("tap1", 2),
        MAC_C: (REMOTE, 3),
        MAC_D: (OTHER_REMOTE, 5),
    }


def test_limit_does_not_stop_refreshing() -> None:
    """What a full place has taught is refreshed by it."""
    host = switch(maxaddress=1)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_A, "tap0", 9)
    assert places(host) == {MAC_A: ("tap0", 9)}


def test_limit_stops_a_move() -> None:
    """A full place takes nothing over: the old entry stays as it was, its age too."""
    host = switch(maxaddress=1)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_B, "tap1", 1)
    see(host, MAC_A, "tap1", 2)
    assert places(host) == {MAC_A: ("tap0", 0), MAC_B: ("tap1", 1)}


def test_moving_away_makes_room() -> None:
    """An entry that moved away counts at its new place only."""
    host = switch(maxaddress=1)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_A, "tap1", 1)
    see(host, MAC_B, "tap0", 2)
    assert places(host) == {MAC_A: ("tap1", 1), MAC_B: ("tap0", 2)}


def test_expired_entries_count_until_swept() -> None:
    """Room is made by the sweep, not by the clock."""
    host = switch(maxaddress=1, ageing=300)
    see(host, MAC_A, "tap0", 0)
    see(host, MAC_B, "tap0", 1000)
    assert set(places(host)) == {MAC_A}
    host.sweep(1000)
    see(host, MAC_B, "tap0", 1001)
    assert set(places(host)) == {MAC_B}


def test_static_entries_do_not_count() -> None:
    """The limit is on what is taught, not on what was written by hand."""
    host = switch(fdb=(FdbEntry(segment="blue", mac=MAC_C, port="tap0"),), maxaddress=1)
    see(host, MAC_A, "tap0", 0)
    assert set(places(host)) == {MAC_C, MAC_A}


def test_limit_zero_teaches_nothing() -> None:
    """A `maxaddress` of 0 is a limit like any other."""
    host = switch(maxaddress=0)
    see(host, MAC_A, "tap0", 0)
    assert places(host) == {}
