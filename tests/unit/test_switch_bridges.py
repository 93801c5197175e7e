# SPDX-License-Identifier: Apache-2.0
"""The reference switch: bridges, their VLANs and their tunnels. What Open vSwitch does was tried with the real one."""

from __future__ import annotations

import pytest

from tests.unit.frames import LOCAL, MAC_A, MAC_B, OTHER_REMOTE, REMOTE, frame, from_remote
from vxnet.drops import drop_reason
from vxnet.model import Bridge, HostState, Port, Tunnel, Vlans
from vxnet.packet import ethernet
from vxnet.packet.ethernet import DOT1AD, VlanTag
from vxnet.packet.mac import BROADCAST
from vxnet.switch.outcome import Behind, Copy, Outcome, ToPort, ToUnderlay
from vxnet.switch.switch import Switch

FLOODED = frame(MAC_A, BROADCAST)


def tagged(vid: int, *, pcp: int = 0, data: bytes = FLOODED) -> bytes:
    """Return a frame with one more tag."""
    return ethernet.put_tag(data, VlanTag(vid=vid, pcp=pcp))


def bridge(*vlans: Vlans, tunnels: tuple[Tunnel, ...] = (), forward_bpdu: bool = False) -> Switch:
    """Return a switch with one bridge, whose ports tap0, tap1 ... have these VLANs."""
    ports = tuple(Port(device=f"tap{n}", segment="br0", vlans=its) for n, its in enumerate(vlans))
    return Switch(HostState(bridges=(Bridge(name="br0", forward_bpdu=forward_bpdu),), ports=ports, tunnels=tunnels))


def tunnel(name: str, vni: int | None = 5, **more: object) -> Tunnel:
    """Return a tunnel of the bridge to REMOTE."""
    fields = {"name": name, "bridge": "br0", "vni": vni, "vni_out": vni or 0, "remote": REMOTE, "local": LOCAL, **more}
    return Tunnel(**fields)  # type: ignore[arg-type]


def dropped(reason: str, *copies: Copy) -> Outcome:
    """Return the outcome of a frame that is dropped."""
    return Outcome(copies, drop_reason(reason))


TRUNK, ACCESS_7 = Vlans(), Vlans(mode="access", tag=7)
SOME = Vlans(trunks=(7, 9))
NATIVE_TAGGED = Vlans(mode="native-tagged", tag=7, trunks=(9,))
NATIVE_UNTAGGED = Vlans(mode="native-untagged", tag=7, trunks=(9,))


@pytest.mark.parametrize(
    ("vlans", "sent", "vlan"),
    [
        (TRUNK, FLOODED, 0),
        (TRUNK, tagged(0), 0),
        (TRUNK, tagged(4095), 4095),
        (SOME, FLOODED, None),
        (SOME, tagged(9), 9),
        (SOME, tagged(8), None),
        (ACCESS_7, FLOODED, 7),
        (ACCESS_7, tagged(7), None),
        (ACCESS_7, tagged(0), 7),
        (NATIVE_TAGGED, FLOODED, 7),
        (NATIVE_TAGGED, tagged(7), 7),
        (NATIVE_UNTAGGED, tagged(9), 9),
        (NATIVE_UNTAGGED, tagged(8), None),
    ],
)
def test_which_vlan_a_frame_is_in(vlans: Vlans, sent: bytes, vlan: int | None) -> None:
    """The mode of its port decides; what is not admitted is dropped and teaches nothing."""
    switch = bridge(vlans, TRUNK)
    outcome = switch.from_port("tap0", sent, 0)
    if vlan is None:
        assert outcome == dropped("VLAN_FILTERED")
        assert switch.fdb() == ()
    else:
        assert outcome == Outcome((ToPort("tap1", tagged(vlan) if vlan else FLOODED),))
        assert [(row.vlan, row.mac, row.place) for row in switch.fdb()] == [(vlan, MAC_A, "tap0")]


@pytest.mark.parametrize(
    ("vlans", "vid", "got"),
    [
        (TRUNK, 7, 7),
        (SOME, 8, None),
        (ACCESS_7, 7, 0),
        (ACCESS_7, 9, None),
        (NATIVE_TAGGED, 7, 7),
        (NATIVE_UNTAGGED, 7, 0),
        (NATIVE_UNTAGGED, 9, 9),
        (NATIVE_UNTAGGED, 8, None),
    ],
)
def test_how_a_frame_goes_out(vlans: Vlans, vid: int, got: int | None) -> None:
    """To a member of its VLAN, with a tag or without; the priority stays with the tag."""
    outcome = bridge(TRUNK, vlans).from_port("tap0", tagged(vid, pcp=5), 0)
    if got is None:
        assert outcome == dropped("NO_DESTINATION")
    else:
        assert outcome == Outcome((ToPort("tap1", tagged(got, pcp=5) if got else FLOODED),))


def test_a_priority_without_a_vlan() -> None:
    """It is told on in a trunk, and nowhere else; a port with a native VLAN is not in VLAN 0."""
    switch = bridge(TRUNK, TRUNK, Vlans(mode="access"), NATIVE_UNTAGGED, Vlans(mode="native-tagged", tag=7))
    sent = tagged(0, pcp=3)
    assert switch.from_port("tap0", sent, 0) == Outcome((ToPort("tap1", sent), ToPort("tap2", FLOODED)))


def test_each_vlan_learns_for_itself() -> None:
    """One MAC at two places in two VLANs."""
    switch = bridge(TRUNK, TRUNK, TRUNK)
    switch.from_port("tap0", tagged(7), 0)
    switch.from_port("tap1", tagged(9), 0)
    back = frame(MAC_B, MAC_A)
    for vid, port in ((7, "tap0"), (9, "tap1")):
        sent = tagged(vid, data=back)
        assert switch.from_port("tap2", sent, 1) == Outcome((ToPort(port, sent),))


def test_known_where_its_vlan_does_not_go() -> None:
    """A port that has left the VLAN gets nothing of it, even if a MAC was learned there."""
    switch = bridge(TRUNK, TRUNK)
    switch.from_port("tap1", tagged(7, data=frame(MAC_B, BROADCAST)), 0)
    moved = bridge(TRUNK, SOME)
    moved._fdb.tables["br0"][8, MAC_B] = switch._fdb.tables["br0"][7, MAC_B]
    assert moved.from_port("tap0", tagged(8, data=frame(MAC_A, MAC_B)), 1) == dropped("VLAN_FILTERED")


def test_a_second_tag_is_payload() -> None:
    """Only the outermost tag is looked at; S-tags are tags, and stay what they are."""
    twice = tagged(7, data=tagged(8))
    assert bridge(TRUNK, ACCESS_7).from_port("tap0", twice, 0) == Outcome((ToPort("tap1", tagged(8)),))
    outer = ethernet.put_tag(FLOODED, VlanTag(vid=7, tpid=DOT1AD))
    assert bridge(TRUNK, TRUNK).from_port("tap0", outer, 0) == Outcome((ToPort("tap1", outer),))


def test_tags_into_the_tunnel() -> None:
    """A tunnel is a member like any other: a trunk carries the tag, an access tunnel does not."""
    pair = (tunnel("vx1"), tunnel("vx2", 6, vlans=ACCESS_7))
    assert bridge(ACCESS_7, tunnels=pair).from_port("tap0", FLOODED, 0).copies == (
        ToUnderlay("vx1", REMOTE, 5, tagged(7)),
        ToUnderlay("vx2", REMOTE, 6, FLOODED),
    )


def test_from_tunnel_to_tunnel() -> None:
    """There is no split horizon but that of the tunnel itself."""
    switch = bridge(TRUNK, tunnels=(tunnel("vx1"), tunnel("vx2", 6, remote=OTHER_REMOTE)))
    arrived = from_remote(FLOODED, vni=5)
    assert switch.from_underlay(arrived, 0).copies == (
        ToPort("tap0", FLOODED),
        ToUnderlay("vx2", OTHER_REMOTE, 6, FLOODED),
    )
    back = frame(MAC_B, MAC_A)
    assert switch.from_underlay(from_remote(back, vni=6, src=OTHER_REMOTE), 1) == Outcome(
        (ToUnderlay("vx1", REMOTE, 5, back),)
    )
    assert switch.from_underlay(from_remote(back, vni=5), 2) == dropped("SPLIT_HORIZON")


def test_which_tunnel_takes_a_packet() -> None:
    """VNI before remote before local address."""
    anybody = tunnel("anybody", remote=None)
    any_vni = tunnel("any-vni", None)
    exact = tunnel("exact")
    arrived = from_remote(FLOODED, vni=5)
    for tunnels, taker in (
        ((any_vni, anybody, exact), "exact"),
        ((any_vni, anybody), "anybody"),
        ((any_vni,), "any-vni"),
    ):
        switch = bridge(TRUNK, tunnels=tunnels)
        switch.from_underlay(arrived, 0)
        assert [row.place for row in switch.fdb()] == [Behind(taker, REMOTE)]


def test_a_tunnel_without_remote_answers() -> None:
    """It floods to nobody, but sends to where it has learned a MAC."""
    switch = bridge(TRUNK, tunnels=(tunnel("vx1", remote=None),))
    assert switch.from_port("tap0", FLOODED, 0) == dropped("NO_DESTINATION")
    switch.from_underlay(from_remote(frame(MAC_B, BROADCAST), vni=5), 0)
    sent = frame(MAC_A, MAC_B)
    assert switch.from_port("tap0", sent, 1) == Outcome((ToUnderlay("vx1", REMOTE, 5, sent),))


@pytest.mark.parametrize(("last", "stays"), [("00", True), ("0e", True), ("10", False)])
def test_link_local_stays_on_the_link(last: str, *, stays: bool) -> None:
    """01:80:c2:00:00:00-0f are not forwarded, unless the bridge is told to."""
    sent = frame(MAC_A, f"01:80:c2:00:00:{last}")
    forwarded = Outcome((ToPort("tap1", sent),))
    assert bridge(TRUNK, TRUNK).from_port("tap0", sent, 0) == (dropped("LINK_LOCAL") if stays else forwarded)
    assert bridge(TRUNK, TRUNK, forward_bpdu=True).from_port("tap0", sent, 0) == forwarded
