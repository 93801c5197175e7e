# SPDX-License-Identifier: Apache-2.0
"""What a host is told becomes what it is to be: devices, FDB, neighbours, sources; and what cannot be is left out."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from msgspec.structs import replace

from vxnet.cluster.messages import (
    FarPort,
    FixedIp,
    LocalPort,
    PortGone,
    PortPut,
    Segment,
    SegmentPut,
    Snapshot,
    Subnet,
)
from vxnet.cluster.records import AddressPair, Route
from vxnet.daemon.agent.details import details, find
from vxnet.daemon.agent.host import outcome_of
from vxnet.errors import ControlError
from vxnet.model import DOWN, FdbEntry, Neighbour, Source, Vtep
from vxnet.model import Port as ModelPort
from vxnet.model import Segment as ModelSegment
from vxnet.sources.cluster.desired import Wanted, desired, device_name, link_local
from vxnet.sources.cluster.view import View

LOCAL = IPv4Address("192.0.2.1")
ONE, TWO = "11111111-aaaa-bbbb-cccc-000000000001", "22222222-aaaa-bbbb-cccc-000000000002"
TAP_ONE, TAP_TWO = "tap11111111-aa", "tap22222222-aa"
SUBNET = Subnet(
    id="s1",
    cidr="10.0.0.0/24",
    gateway_ip="10.0.0.1",
    dns_nameservers=("10.0.0.53",),
    host_routes=(Route("10.9.0.0/16", "10.0.0.9"),),
)


def local(number: str = ONE, mac: str = "fa:16:3e:00:00:01", address: str = "10.0.0.5", **settings: Any) -> LocalPort:
    """Return a port that is bound here."""
    fixed = {"fixed_ips": (FixedIp("s1", address),), "admin_state_up": True, "port_security_enabled": False}
    rest = {"name": "", "allowed_address_pairs": (), "binding_profile": {}}
    return LocalPort(id=number, mac_address=mac, **{**fixed, **rest, **settings})


def far(
    name: str = "far", mac: str = "fa:16:3e:00:00:09", address: str = "10.0.0.9", vtep: str = "192.0.2.2"
) -> FarPort:
    """Return a port that is bound elsewhere."""
    return FarPort(id=name, mac_address=mac, addresses=(address,), vtep=vtep)


def segment(*ports: LocalPort | FarPort, name: str = "n1", vni: int = 5001) -> Segment:
    """Return a segment with these ports."""
    return Segment(id=name, name="blue", vni=vni, mtu=1450, subnets=(SUBNET,), ports=ports)


def wanted(*segments: Segment, devices: dict[str, str] | None = None, aliases: dict[str, str] | None = None) -> Wanted:
    """Return what becomes of segments on a host with these devices."""
    return desired(segments, LOCAL, devices or {}, aliases or {})


# ---- what is made of segments ----


def test_hosts_of_two_families_do_not_meet() -> None:
    """A port at a VTEP of the other family is left out whole, and it is said why; the others are as ever."""
    wanted = desired((segment(far(), far("six", "fa:16:3e:00:00:06", "10.0.0.6", vtep="fd00::6")),), LOCAL, {}, {})
    assert wanted.state.segments[0].remotes == (IPv4Address("192.0.2.2"),)
    assert [entry.mac for entry in wanted.state.fdb] == ["fa:16:3e:00:00:09"]
    assert [neighbour.address for neighbour in wanted.state.neighbours] == ["10.0.0.9"]
    assert wanted.trouble == "cannot reach the ports at fd00::6: that is IPv6, and this host's 192.0.2.1 is IPv4"
    assert outcome_of(1, wanted, {}).trouble == wanted.trouble


def test_a_host_of_ipv6() -> None:
    """With an IPv6 VTEP the remotes are IPv6."""
    wanted = desired((segment(far(vtep="fd00::2")),), IPv6Address("fd00::1"), {}, {})
    assert wanted.state.vtep == Vtep(local=IPv6Address("fd00::1"))
    assert wanted.state.segments[0].remotes == (IPv6Address("fd00::2"),)
    assert not wanted.trouble


def test_a_segment_is_all_that_is_known_of_it() -> None:
    """Remotes, FDB and neighbours are of every port there; the segment has the network's id for a name."""
    result = wanted(
        segment(local(), far(), far("far2", "fa:16:3e:00:00:0a", "10.0.0.10"), far("far3", vtep="192.0.2.0")),
        devices={TAP_ONE: ""},
    )
    state = result.state
    assert state.vtep == Vtep(local=LOCAL)
    assert state.segments == (
        ModelSegment(
            name="n1",
            vni=5001,
            remotes=(IPv4Address("192.0.2.0"), IPv4Address("192.0.2.2")),
            senders=("192.0.2.0/32", "192.0.2.2/32"),
        ),
    )
    assert state.ports == (ModelPort(device=TAP_ONE, segment="n1"),)
    assert set(state.fdb) == {
        FdbEntry(segment="n1", mac="fa:16:3e:00:00:01", port=TAP_ONE),
        FdbEntry(segment="n1", mac="fa:16:3e:00:00:09", remote=IPv4Address("192.0.2.2")),
        FdbEntry(segment="n1", mac="fa:16:3e:00:00:0a", remote=IPv4Address("192.0.2.2")),
    }
    assert set(state.neighbours) == {
        Neighbour(segment="n1", address="10.0.0.5", mac="fa:16:3e:00:00:01"),
        Neighbour(segment="n1", address="10.0.0.9", mac="fa:16:3e:00:00:09"),
        Neighbour(segment="n1", address="10.0.0.10", mac="fa:16:3e:00:00:0a"),
    }
    assert result.ports == {TAP_ONE: ONE}
    assert result.waiting == {}


def test_networks_that_overlap_do_not_meet() -> None:
    """The same MAC and address in two networks are two."""
    state = wanted(segment(far()), segment(far(), name="n2", vni=5002)).state
    assert (
        {entry.segment for entry in state.fdb} == {neighbour.segment for neighbour in state.neighbours} == {"n1", "n2"}
    )


# ---- which device is a port's ----


def test_a_gateway_answers_ipv6_itself() -> None:
    """Only a router can say that it is one: of gateways' addresses, those of IPv4 alone are answered here."""
    six = Subnet(id="s6", cidr="fd00::/64", gateway_ip="fd00::1", dns_nameservers=(), host_routes=())
    router = FarPort(id=ONE, mac_address="fa:16:3e:00:00:09", addresses=("10.0.0.1", "fd00::1"), vtep="192.0.2.2")
    network = replace(segment(router), subnets=(six,))
    assert [neighbour.address for neighbour in wanted(network).state.neighbours] == ["10.0.0.1"]


def test_the_device_of_a_port() -> None:
    """By alias; else the one that binding:profile names; else tap and the beginning of the id."""
    named = local(binding_profile={"device": "veth7"})
    devices = {TAP_ONE: "", "veth7": "", "eth9": ""}
    aliases = {f"iface-id={ONE}": "eth9"}
    assert wanted(segment(named), devices=devices, aliases=aliases).ports == {"eth9": ONE}
    assert wanted(segment(named), devices=devices).ports == {"veth7": ONE}
    assert wanted(segment(local()), devices=devices).ports == {TAP_ONE: ONE}
    assert wanted(segment(local(binding_profile={"device": ["odd"]})), devices=devices).ports == {TAP_ONE: ONE}
    assert len(device_name(ONE)) <= 15


@pytest.mark.parametrize(
    ("port", "devices", "why"),
    [
        (local(), {}, f"device {TAP_ONE} does not exist; `vxnet port plug {ONE}` makes one"),
        (local(admin_state_up=False), {TAP_ONE: ""}, "its admin_state_up is false"),
        (local(), {TAP_ONE: "device is down"}, "device is down"),
    ],
)
def test_a_port_waits(port: LocalPort, devices: dict[str, str], why: str) -> None:
    """It says for what. No MAC is behind a device that is not there, but the address is answered for."""
    result = wanted(segment(port), devices=devices)
    assert result.waiting == {ONE: why}
    assert (result.state.ports, result.state.fdb, result.ports) == ((), (), {})
    assert len(result.state.neighbours) == 1


def test_two_ports_at_one_device() -> None:
    """The first has it; the other one waits, and is told who that is."""
    result = wanted(
        segment(local(binding_profile={"device": "e"}), local(TWO, binding_profile={"device": "e"})), devices={"e": ""}
    )
    assert result.ports == {"e": ONE}
    assert result.waiting == {TWO: f"device e is port {ONE}'s"}


# ---- port security ----


def test_what_may_leave_a_port() -> None:
    """Its own MAC with its own addresses, each pair, and each MAC's link-local address; without security anything."""
    pairs = (AddressPair("10.7.0.0/16", "fa:16:3e:00:00:01"), AddressPair("10.0.0.99", "02:00:00:00:00:07"))
    port = local(port_security_enabled=True, allowed_address_pairs=pairs)
    (attached,) = wanted(segment(port), devices={TAP_ONE: ""}).state.ports
    assert set(attached.sources or ()) == {
        Source("fa:16:3e:00:00:01", "10.0.0.5/32"),
        Source("fa:16:3e:00:00:01", "10.7.0.0/16"),
        Source("02:00:00:00:00:07", "10.0.0.99/32"),
        Source("fa:16:3e:00:00:01", "fe80::f816:3eff:fe00:1/128"),
        Source("02:00:00:00:00:07", "fe80::ff:fe00:7/128"),
    }
    (free,) = wanted(segment(replace(port, port_security_enabled=False)), devices={TAP_ONE: ""}).state.ports
    assert free.sources is None


def test_the_link_local_address_of_a_mac() -> None:
    """The second bit of the first byte is turned over, ff:fe is in the middle (RFC 4291, appendix A)."""
    assert link_local("34:56:78:9a:bc:de") == "fe80::3656:78ff:fe9a:bcde"


# ---- what cannot be ----


@pytest.mark.parametrize(
    "odd",
    [
        far(vtep="nowhere"),
        far(vtep="224.0.0.1"),
        far(vtep="::1"),
        far(mac="ff:ff:ff:ff:ff:ff"),
        far(mac="FA:16:3E:00:00:09"),
        far(address="10.0.0"),
        far(address="2001:DB8::1"),
        local("odd", mac="02"),
        local("odd", address=""),
        local("odd", allowed_address_pairs=(AddressPair("10.0.0.1/8", "02:00:00:00:00:07"),)),
        local("odd", allowed_address_pairs=(AddressPair("10.0.0.1", "01:00:00:00:00:07"),)),
    ],
    ids=repr,
)
def test_an_odd_port_is_left_out(odd: LocalPort | FarPort, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and all else is as it would be without it, however it came; put right, it is there."""
    good = far("good", "fa:16:3e:00:00:0b", "10.0.0.11")
    views = View(), View(), View()
    views[0].apply(Snapshot("one", 1, (segment(good, odd),)))
    views[1].apply(SegmentPut(1, segment(good, odd)))
    views[2].apply(SegmentPut(1, segment(good, far(odd.id))))
    views[2].apply(PortPut(1, "n1", odd))
    for view in views:
        assert tuple(view.segments()) == (segment(good),)
    assert f"port {odd.id} is left out: " in caplog.text
    views[0].apply(PortPut(2, "n1", far(odd.id)))
    assert len(next(views[0].segments()).ports) == 2


def test_an_odd_segment_is_left_out() -> None:
    """A VNI has 24 bits, and 0 is none. What is said of a segment nobody knows is no harm."""
    view = View()
    view.apply(Snapshot("one", 1, (segment(far()), segment(name="n2", vni=0), segment(name="n3", vni=2**24))))
    assert [there.id for there in view.segments()] == ["n1"]
    view.apply(SegmentPut(2, segment(far(), vni=0)))
    view.apply(PortPut(3, "n1", far()))
    view.apply(PortPut(3, "unknown", local()))
    view.apply(PortGone(3, "never", "heard"))
    assert list(view.segments()) == []
    assert list(view.local_ports()) == []


def test_of_two_with_one_mac_or_address_one_is_taken() -> None:
    """It cannot be, and is no reason to stop."""
    state = wanted(segment(far("a"), far("b", vtep="192.0.2.3"), local(mac=far().mac_address)), devices={TAP_ONE: ""})
    assert [entry.remote for entry in state.state.fdb] == [IPv4Address("192.0.2.2")]
    assert len(state.state.neighbours) == 2


# ---- what came of it ----


def test_what_failed_does_not_forward() -> None:
    """A port without its device, its segment or the VTEP is not active; the others are, and trouble is told apart."""
    result = wanted(segment(local()), segment(local(TWO), name="n2", vni=5002), devices={TAP_ONE: "", TAP_TWO: ""})
    assert outcome_of(3, result, {}).active == {ONE, TWO}
    failed = outcome_of(3, result, {TAP_ONE: "is busy"})
    assert (failed.active, failed.waiting, failed.trouble) == (frozenset({TWO}), {ONE: "is busy"}, "")
    failed = outcome_of(3, result, {"n2": "no room"})
    assert (failed.active, failed.waiting, failed.trouble) == (frozenset({ONE}), {TWO: "no room"}, "no room")
    failed = outcome_of(3, result, {str(LOCAL): "no such address"})
    assert (failed.active, failed.trouble) == (frozenset(), "no such address")
    assert outcome_of(3, Wanted(state=DOWN), {}).active == frozenset()


# ---- what people ask for ----

PORTS = [(segment(), local(name, name=called)) for name, called in ((ONE, "web"), (TWO, "web"), ("33", ONE))]


def test_finding_a_port() -> None:
    """By its id before any name, by its name, by the beginning of its id."""
    assert find(PORTS, ONE, "h1") == PORTS[0]
    assert find(PORTS, "2222", "h1") == PORTS[1]
    assert find([PORTS[0]], "web", "h1") == PORTS[0]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("web", f"port web: more than one of this host is called so: {ONE}, {TWO}"),
        ("", "port : more than one of this host is called so: "),
        ("db", "port db is not bound to this host; `openstack port set --host h1 db` binds it"),
    ],
)
def test_finding_no_port(asked: str, error: str) -> None:
    """The error names those it could be, or what would bind it."""
    with pytest.raises(ControlError) as failure:
        find(PORTS, asked, "h1")
    assert str(failure.value).startswith(error)


def test_details_are_what_a_machine_has_to_know() -> None:
    """Addresses with their subnets' prefix lengths; gateways, routes and name servers of those subnets alone."""
    other = Subnet(id="s2", cidr="fd00::/64", gateway_ip=None, dns_nameservers=(), host_routes=())
    unused = Subnet(id="s3", cidr="10.3.0.0/24", gateway_ip="10.3.0.1", dns_nameservers=("10.3.0.3",), host_routes=())
    port = local(fixed_ips=(FixedIp("s1", "10.0.0.5"), FixedIp("s1", "10.0.0.6"), FixedIp("s2", "fd00::5")))
    found = details(replace(segment(), subnets=(SUBNET, other, unused)), port, "tap", "")
    assert found.addresses == ("10.0.0.5/24", "10.0.0.6/24", "fd00::5/64")
    assert found.gateways == ("10.0.0.1",)
    assert found.dns_nameservers == ("10.0.0.53",)
    assert found.routes == (("10.9.0.0/16", "10.0.0.9"),)
    assert (found.network, found.mtu, found.mac) == ("blue", 1450, port.mac_address)
