# SPDX-License-Identifier: Apache-2.0
"""The plan: which changes, in which order, and why, for one thing at a time."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from vxnet.model import DOWN, Bridge, FdbEntry, HostState, Neighbour, Port, Segment, Source, Tunnel, Vlans, Vtep
from vxnet.plan import Actual, Change, kind_of, name_of, plan

if TYPE_CHECKING:
    from vxnet.plan import Value

LOCAL, MOVED = IPv4Address("192.168.146.131"), IPv4Address("192.168.146.132")
REMOTE, OTHER_REMOTE, GROUP = map(IPv4Address, ("192.168.146.136", "192.168.146.137", "239.1.1.1"))
MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"

VTEP = Vtep(local=LOCAL)
BLUE = Segment(name="blue", vni=5001, remotes=(REMOTE,))
RED = Segment(name="red", vni=5002)
TAP_A, TAP_B = Port(device="tap-a", segment="blue"), Port(device="tap-b", segment="red")
AT_PORT = FdbEntry(segment="blue", mac=MAC, port="tap-a")
AT_REMOTE = FdbEntry(segment="blue", mac=OTHER_MAC, remote=REMOTE)
HOST = HostState(vtep=VTEP, segments=(BLUE, RED), ports=(TAP_A, TAP_B), fdb=(AT_PORT, AT_REMOTE))


def told(changes: tuple[Change, ...]) -> list[str]:
    """Return changes as a person reads them."""
    return [f"{change.action} {change.kind} {change.name}: {change.reason}" for change in changes]


def broken(fault: str, *values: Value, of: HostState = HOST) -> Actual:
    """Return a host where ``values`` do not work, for the reason ``fault``."""
    state = HostState(
        vtep=None if of.vtep in values else of.vtep,
        segments=tuple(s for s in of.segments if s not in values),
        ports=tuple(p for p in of.ports if p not in values),
        fdb=tuple(e for e in of.fdb if e not in values),
    )
    return Actual(state, dict.fromkeys(values, fault))


@pytest.mark.parametrize("state", [DOWN, HOST, HostState(vtep=VTEP)])
def test_nothing_to_do(state: HostState) -> None:
    """A host that is as it should be is not touched."""
    assert plan(state, Actual(state)) == ()


def test_order_of_the_file_says_nothing() -> None:
    """The order of segments, ports and entries is no difference."""
    turned = replace(HOST, segments=HOST.segments[::-1], ports=HOST.ports[::-1], fdb=HOST.fdb[::-1])
    assert plan(turned, Actual(HOST)) == ()


def test_from_nothing_the_root_comes_first() -> None:
    """What is made stands on what is there: VTEP, segments, ports, static entries, in the file's order."""
    changes = plan(HOST, Actual())
    assert [change.value for change in changes] == [VTEP, BLUE, RED, TAP_A, TAP_B, AT_PORT, AT_REMOTE]
    assert {(change.action, change.reason) for change in changes} == {("add", "not on this host yet")}
    assert all((change.kind, change.name) == (kind_of(change.value), name_of(change.value)) for change in changes)


def test_to_nothing_the_leaves_go_first() -> None:
    """What goes leaves nothing hanging: static entries, ports, segments, VTEP; and all for one reason."""
    changes = plan(DOWN, Actual(HOST))
    assert [change.value for change in changes] == [AT_PORT, AT_REMOTE, TAP_A, TAP_B, BLUE, RED, VTEP]
    assert {(change.action, change.reason) for change in changes} == {("remove", "vxnet goes down")}


def test_names() -> None:
    """A change is named by what a person calls the thing."""
    assert [name_of(value) for value in (VTEP, BLUE, TAP_A, AT_PORT)] == [str(LOCAL), "blue", "tap-a", f"blue {MAC}"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ageing": 60}, "ageing: 300 -> 60"),
        ({"learning": False}, "learning: on -> off"),
        ({"maxaddress": 8}, "maxaddress: 16384 -> 8"),
        ({"remotes": (REMOTE, OTHER_REMOTE)}, f"remotes: {REMOTE} -> {REMOTE} {OTHER_REMOTE}"),
        ({"remotes": ()}, f"remotes: {REMOTE} -> none"),
        ({"remotes": (), "group": GROUP}, f"remotes: {REMOTE} -> none, group: none -> {GROUP}"),
    ],
)
def test_settings_change_in_place(settings: dict[str, object], reason: str) -> None:
    """Another setting of a segment is one change, which says what it was; nothing else is touched."""
    desired = replace(HOST, segments=(replace(BLUE, **settings), RED))
    assert told(plan(desired, Actual(HOST))) == [f"change segment blue: {reason}"]


def test_things_that_come_and_go() -> None:
    """Goes before comes; what goes is no longer wanted, what comes was not there."""
    desired = replace(HOST, ports=(TAP_A, Port(device="tap-c", segment="red")), fdb=(AT_PORT,))
    assert told(plan(desired, Actual(HOST))) == [
        f"remove fdb blue {OTHER_MAC}: no longer in the desired state",
        "remove port tap-b: no longer in the desired state",
        "add port tap-c: not on this host yet",
    ]


def test_segment_goes_with_all_that_is_in_it() -> None:
    """A segment that goes takes its ports and entries along, and leaves the others alone."""
    desired = HostState(vtep=VTEP, segments=(RED,), ports=(TAP_B,))
    assert [change.value for change in plan(desired, Actual(HOST))] == [AT_PORT, AT_REMOTE, TAP_A, BLUE]


def test_port_moves_to_another_segment() -> None:
    """A port that moves is taken off and attached again, and its static entry with it."""
    moved, entry = replace(TAP_A, segment="red"), replace(AT_PORT, segment="red")
    desired = replace(HOST, ports=(moved, TAP_B), fdb=(entry, AT_REMOTE))
    assert told(plan(desired, Actual(HOST))) == [
        f"remove fdb blue {MAC}: no longer in the desired state",
        "remove port tap-a: segment: blue -> red",
        "add port tap-a: segment: blue -> red",
        f"add fdb red {MAC}: not on this host yet",
    ]


def test_entry_moves_to_another_place() -> None:
    """A static entry that points elsewhere is written anew, and says from where to where."""
    desired = replace(HOST, fdb=(replace(AT_PORT, port=None, remote=REMOTE), AT_REMOTE))
    reason = f"port: tap-a -> none, remote: none -> {REMOTE}"
    assert told(plan(desired, Actual(HOST))) == [f"remove fdb blue {MAC}: {reason}", f"add fdb blue {MAC}: {reason}"]


def test_another_vni_renews_the_segment() -> None:
    """Another VNI is another network: nothing of the segment stays, and other segments are not touched."""
    desired = replace(HOST, segments=(replace(BLUE, vni=7), RED))
    follows = "what it belongs to is made anew"
    assert told(plan(desired, Actual(HOST))) == [
        f"remove fdb blue {MAC}: {follows}",
        f"remove fdb blue {OTHER_MAC}: {follows}",
        f"remove port tap-a: {follows}",
        "remove segment blue: vni: 5001 -> 7",
        "add segment blue: vni: 5001 -> 7",
        f"add port tap-a: {follows}",
        f"add fdb blue {MAC}: {follows}",
        f"add fdb blue {OTHER_MAC}: {follows}",
    ]


def test_vnis_change_places() -> None:
    """Two segments can swap their VNIs: both are gone before the first comes."""
    desired = replace(HOST, segments=(replace(BLUE, vni=RED.vni), replace(RED, vni=BLUE.vni)))
    segments = [(c.action, c.name) for c in plan(desired, Actual(HOST)) if c.kind == "segment"]
    assert segments == [("remove", "blue"), ("remove", "red"), ("add", "blue"), ("add", "red")]


@pytest.mark.parametrize(
    ("vtep", "reason"),
    [(Vtep(local=MOVED), f"local: {LOCAL} -> {MOVED}"), (Vtep(local=LOCAL, dstport=8472), "dstport: 4789 -> 8472")],
)
def test_another_vtep_renews_all(vtep: Vtep, reason: str) -> None:
    """Another address or UDP port is another VTEP: all is torn down for that reason, and built again."""
    changes = plan(replace(HOST, vtep=vtep), Actual(HOST))
    gone = [AT_PORT, AT_REMOTE, TAP_A, TAP_B, BLUE, RED, VTEP]
    come = [vtep, BLUE, RED, TAP_A, TAP_B, AT_PORT, AT_REMOTE]
    assert [(change.action, change.value) for change in changes] == [
        *(("remove", value) for value in gone),
        *(("add", value) for value in come),
    ]
    assert {change.reason for change in changes[: len(gone)]} == {reason}
    assert changes[len(gone)].reason == reason


# ---- what is there but does not work -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [VTEP, BLUE, TAP_B, AT_PORT, AT_REMOTE], ids=name_of)
def test_broken_is_made_anew(value: Value) -> None:
    """What is broken is made anew, for that reason, and what hangs on it stays as it is."""
    changes = plan(HOST, broken("it is broken", value))
    assert told(changes) == [f"add {kind_of(value)} {name_of(value)}: it is broken"]
    assert changes[0].value == value


def test_entries_of_a_broken_port_are_made_anew_with_it() -> None:
    """A port that is made anew, perhaps in another slot, has its static entries written again; nothing is removed."""
    assert told(plan(HOST, broken("its device is down", TAP_A, AT_PORT))) == [
        "add port tap-a: its device is down",
        f"add fdb blue {MAC}: its device is down",
    ]


def test_broken_and_not_wanted_goes() -> None:
    """What is broken and not wanted is removed, for that reason."""
    actual = broken("it is broken", BLUE, TAP_A, AT_PORT)
    desired = HostState(vtep=VTEP, segments=(RED,), ports=(TAP_B,))
    assert told(plan(desired, actual)) == [
        f"remove fdb blue {OTHER_MAC}: no longer in the desired state",
        f"remove fdb blue {MAC}: it is broken",
        "remove port tap-a: it is broken",
        "remove segment blue: it is broken",
    ]


def test_broken_and_changed() -> None:
    """What is broken and should be different says both."""
    desired = replace(HOST, segments=(replace(BLUE, ageing=60), RED))
    assert told(plan(desired, broken("half made", BLUE))) == ["add segment blue: half made; ageing: 300 -> 60"]


def test_broken_segment_with_another_vni_goes_whole() -> None:
    """Nothing of a broken segment is taken into a network with another VNI, be it broken itself or not."""
    desired = replace(HOST, segments=(replace(BLUE, vni=7), RED))
    changes = plan(desired, broken("half made", BLUE, TAP_A, AT_PORT))
    removed = [change.value for change in changes if change.action == "remove"]
    added = [change.value for change in changes if change.action == "add"]
    assert removed == [AT_REMOTE, AT_PORT, TAP_A, BLUE]
    assert added == [replace(BLUE, vni=7), TAP_A, AT_PORT, AT_REMOTE]


def test_broken_port_moves() -> None:
    """A broken port that should be in another segment is taken off first."""
    desired = replace(HOST, ports=(replace(TAP_A, segment="red"), TAP_B), fdb=(AT_REMOTE,))
    changes = plan(desired, broken("its device is gone", TAP_A, AT_PORT))
    assert told(changes) == [
        f"remove fdb blue {MAC}: its device is gone",
        "remove port tap-a: its device is gone",
        "add port tap-a: its device is gone; segment: blue -> red",
    ]


@pytest.mark.parametrize("vtep", [Vtep(local=MOVED), Vtep(local=LOCAL, dstport=8472)])
def test_broken_vtep_that_is_to_be_another_goes_first(vtep: Vtep) -> None:
    """A broken VTEP is not left behind where another one is wanted, nor is anything that hangs on it."""
    changes = plan(replace(HOST, vtep=vtep), broken("no program", VTEP))
    assert [change.value for change in changes if change.action == "remove"] == [
        *(AT_PORT, AT_REMOTE, TAP_A, TAP_B),
        *(BLUE, RED),
        VTEP,
    ]
    assert changes[6].reason == "no program"
    assert changes[7].value == vtep


def test_down_takes_broken_things_too() -> None:
    """Down leaves nothing, broken or not."""
    changes = plan(DOWN, broken("it is broken", VTEP, RED, TAP_B))
    assert {change.action for change in changes} == {"remove"}
    assert {change.value for change in changes} == {VTEP, BLUE, RED, TAP_A, TAP_B, AT_PORT, AT_REMOTE}


def test_what_was_asked_for() -> None:
    """What a host was asked to be is known from what is there, broken or not."""
    for values in ((), (VTEP,), (BLUE, TAP_A, AT_PORT), (VTEP, BLUE, RED, TAP_A, TAP_B, AT_PORT, AT_REMOTE)):
        assert plan(broken("it is broken", *values).asked_for(), Actual(HOST)) == ()


def test_a_port_that_is_in_no_segment_was_not_asked_for() -> None:
    """A port whose segment is gone is a remainder: it is nothing anybody asked for."""
    stray = Port(device="tap-z", segment="")
    assert Actual(HOST, {stray: "its segment is gone"}).asked_for() == HOST


BR0, BR1 = Bridge(name="br0"), Bridge(name="br1")
VX1 = Tunnel(name="vx1", bridge="br1", vni=7, vni_out=7, remote=REMOTE)
INTERNAL = Port(device="br0", segment="br0", internal=True, mac="02:00:00:00:00:01")
ETH0 = Port(device="eth0", segment="br0")
BRIDGED = HostState(bridges=(BR0, BR1), tunnels=(VX1,), ports=(INTERNAL, ETH0))


def steps(desired: HostState, actual: Actual) -> list[tuple[str, str, str, str]]:
    """Return the plan's changes without their values."""
    return [(change.action, change.kind, change.name, change.reason) for change in plan(desired, actual)]


def test_bridges_come_before_what_is_in_them_and_go_after_it() -> None:
    """Bridge, tunnel, ports; and the other way round."""
    come = [("bridge", "br0"), ("bridge", "br1"), ("tunnel", "vx1"), ("port", "br0"), ("port", "eth0")]
    assert [step[:3] for step in steps(BRIDGED, Actual())] == [("add", *its) for its in come]
    gone = [("port", "br0"), ("port", "eth0"), ("tunnel", "vx1"), ("bridge", "br0"), ("bridge", "br1")]
    assert [step[:3] for step in steps(DOWN, Actual(BRIDGED))] == [("remove", *its) for its in gone]


def test_what_can_change_in_place_does() -> None:
    """A bridge's settings, a tunnel's, a port's VLANs and MAC: nothing is taken away for them."""
    bridge, tunnel = replace(BR0, ageing=60), replace(VX1, vni=8, vni_out=8, vlans=Vlans(mode="access", tag=7))
    port = replace(INTERNAL, vlans=Vlans(trunks=(7, 9)), mac="02:00:00:00:00:02")
    desired = replace(BRIDGED, bridges=(bridge, BR1), tunnels=(tunnel,), ports=(port, ETH0))
    assert steps(desired, Actual(BRIDGED)) == [
        ("change", "bridge", "br0", "ageing: 300 -> 60"),
        ("change", "tunnel", "vx1", "vni: 7 -> 8, vni_out: 7 -> 8, vlans: trunk -> access 7"),
        ("change", "port", "br0", "vlans: trunk -> trunk 7,9, mac: 02:00:00:00:00:01 -> 02:00:00:00:00:02"),
    ]


def test_another_bridge_or_another_kind_of_device_is_no_change_in_place() -> None:
    """A port or a tunnel that belongs to another bridge, and a port that is to be internal, go and come."""
    desired = replace(
        BRIDGED,
        tunnels=(replace(VX1, bridge="br0"),),
        ports=(INTERNAL, replace(ETH0, internal=True)),
    )
    assert [step[:3] for step in steps(desired, Actual(BRIDGED))] == [
        ("remove", "port", "eth0"),
        ("remove", "tunnel", "vx1"),
        ("add", "tunnel", "vx1"),
        ("add", "port", "eth0"),
    ]


def test_what_is_left_open_is_as_it_is() -> None:
    """Nobody asks for a MAC or an MTU: those that the device has are right, and so is a device that is out of sight."""
    here = replace(BRIDGED, ports=(replace(INTERNAL, mtu=1500), ETH0))
    assert plan(replace(BRIDGED, ports=(replace(INTERNAL, mac=None), ETH0)), Actual(here)) == ()
    elsewhere = replace(BRIDGED, ports=(replace(INTERNAL, mac=None), ETH0))
    assert plan(BRIDGED, Actual(elsewhere)) == ()


def test_broken_parts_of_a_bridge_are_made_anew() -> None:
    """A tunnel whose device is gone is added again, over what is left of it; its neighbours are left alone."""
    actual = Actual(replace(BRIDGED, tunnels=()), {VX1: "vxnet4789 is gone"})
    assert steps(BRIDGED, actual) == [("add", "tunnel", "vx1", "vxnet4789 is gone")]


def test_a_neighbour_comes_after_its_segment_and_goes_before_it() -> None:
    """A neighbour is a leaf like a static entry, and named by its segment and address."""
    neighbour = Neighbour(segment="blue", address="10.0.0.5", mac=MAC)
    state = HostState(vtep=VTEP, segments=(BLUE,), neighbours=(neighbour,))
    assert [change.value for change in plan(state, Actual())] == [VTEP, BLUE, neighbour]
    assert [change.value for change in plan(DOWN, Actual(state))] == [neighbour, BLUE, VTEP]
    assert plan(state, Actual(state)) == ()
    assert told(plan(replace(state, neighbours=()), Actual(state))) == [
        "remove neighbour blue 10.0.0.5: no longer in the desired state"
    ]
    follows = "what it belongs to is made anew"
    assert told(plan(replace(state, segments=(replace(BLUE, vni=7),)), Actual(state))) == [
        f"remove neighbour blue 10.0.0.5: {follows}",
        "remove segment blue: vni: 5001 -> 7",
        "add segment blue: vni: 5001 -> 7",
        f"add neighbour blue 10.0.0.5: {follows}",
    ]


def test_a_neighbours_mac_changes_in_place() -> None:
    """An address that gets another owner is answered for all the time."""
    neighbour = Neighbour(segment="blue", address="fd00::5", mac=MAC)
    state = HostState(vtep=VTEP, segments=(BLUE,), neighbours=(neighbour,))
    desired = replace(state, neighbours=(replace(neighbour, mac=OTHER_MAC),))
    assert told(plan(desired, Actual(state))) == [f"change neighbour blue fd00::5: mac: {MAC} -> {OTHER_MAC}"]


def test_sources_change_in_place_and_their_order_says_nothing() -> None:
    """What may leave a port is a set: read back sorted, changed without the port being taken off."""
    one, other = Source(MAC, "10.0.0.5/32"), Source(MAC)
    host = replace(HOST, ports=(replace(TAP_A, sources=(other, one)), TAP_B))
    assert plan(replace(host, ports=(replace(TAP_A, sources=(one, other, one)), TAP_B)), Actual(host)) == ()
    assert told(plan(host, Actual(HOST))) == [f"change port tap-a: sources: any -> {MAC} any, {MAC} 10.0.0.5/32"]
    silent = replace(host, ports=(replace(TAP_A, sources=()), TAP_B))
    assert told(plan(silent, Actual(HOST))) == ["change port tap-a: sources: any -> none"]


def test_many_neighbours_are_planned_like_many_static_entries() -> None:
    """Each of 10 000 neighbours is one change, and none is planned twice."""
    neighbours = tuple(Neighbour(segment="blue", address=f"10.{n >> 8}.{n & 255}.1", mac=MAC) for n in range(10_000))
    state = HostState(vtep=VTEP, segments=(BLUE,), neighbours=neighbours)
    assert len(plan(state, Actual(replace(state, neighbours=())))) == len(neighbours)
    assert plan(state, Actual(state)) == ()
