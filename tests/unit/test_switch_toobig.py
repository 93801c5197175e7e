# SPDX-License-Identifier: Apache-2.0
"""The reference switch: who sends a packet too large for the path is told (rule 10)."""

from __future__ import annotations

import msgspec
import pytest
from scapy.layers.inet import UDP

from tests.support.oversize import FITS, TOLD, UNTOLD, v4, v4_error, v6
from tests.support.questions import ASKER, OWNER
from tests.unit.frames import LOCAL, REMOTE
from vxnet.drops import drop_reason
from vxnet.model import Bridge, FdbEntry, HostState, Port, Segment, Source, Tunnel, Vlans, Vtep
from vxnet.packet.ethernet import VlanTag, put_tag
from vxnet.packet.mac import parse_mac
from vxnet.switch.outcome import Outcome, ToPort, ToUnderlay, Traffic
from vxnet.switch.switch import Switch

TOO_BIG = drop_reason("TOO_BIG")
BEHIND = (FdbEntry(segment="blue", mac=OWNER, remote=REMOTE),)


def switch(fdb: tuple[FdbEntry, ...] = BEHIND, sources: tuple[Source, ...] | None = None, mtu: int = 1500) -> Switch:
    """Return a switch with two ports in a segment, and the owner's MAC behind the remote."""
    ports = (Port(device="tap0", segment="blue", sources=sources), Port(device="tap1", segment="blue"))
    segments = (Segment(name="blue", vni=10, remotes=(REMOTE,)),)
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=segments, ports=ports, fdb=fdb), mtu=mtu)


def bridge(port: Vlans, tunnel: Vlans, **more: object) -> Switch:
    """Return a bridge with one port and one tunnel, which knows that the owner is behind the tunnel."""
    fields = {"name": "vx0", "bridge": "br0", "vni": 5, "vni_out": 5, "remote": REMOTE, "local": LOCAL}
    made = Tunnel(**fields, vlans=tunnel, **more)  # type: ignore[arg-type]
    ports = (Port(device="tap0", segment="br0", vlans=port),)
    host = Switch(HostState(bridges=(Bridge(name="br0"),), tunnels=(made,), ports=ports))
    hello = parse_mac(ASKER) + parse_mac(OWNER) + b"\x88\xb5" + bytes(46)
    arriving = host.outer(ToUnderlay("vx0", REMOTE, 5, hello))
    swapped = arriving[:12] + REMOTE.packed + LOCAL.packed + arriving[20:]
    assert host.from_underlay(bytes(12) + b"\x08\x00" + swapped, 0).copies
    return host


@pytest.mark.parametrize("name", TOLD)
def test_told(name: str) -> None:
    """The sender hears the error, from where it has sent to; the packet is dropped, once, and the sender learned."""
    frame, error = TOLD[name]
    host = switch()
    assert host.from_port("tap0", frame, 0) == Outcome((ToPort("tap0", error),), TOO_BIG)
    assert host.drops == {TOO_BIG: 1}
    assert host.port_traffic["tap0"] == Traffic(1, len(frame), 1, len(error))
    assert {(row.mac, row.place) for row in host.fdb() if row.state == "learned"} == {(ASKER, "tap0")}


@pytest.mark.parametrize("name", UNTOLD)
def test_untold(name: str) -> None:
    """What no error may be sent about is dropped, and counted all the same."""
    assert switch().from_port("tap0", UNTOLD[name], 0) == Outcome((), TOO_BIG)


def test_to_the_byte() -> None:
    """A packet as large as is told passes."""
    frame = v4(UDP(), size=FITS)
    assert switch().from_port("tap0", frame, 0).drop is None


def test_unknown_unicast_is_not_told() -> None:
    """Nobody knows yet that it goes through the underlay: the copy for the other port has arrived."""
    frame, _ = TOLD["ipv4-udp"]
    assert switch(fdb=()).from_port("tap0", frame, 0) == Outcome((ToPort("tap1", frame),), TOO_BIG)


def test_spoofed_is_not_told() -> None:
    """Port security comes first: nobody can have errors sent for addresses that are not its own."""
    frame, _ = TOLD["ipv4-udp"]
    sources = (Source(ASKER, "10.0.0.77/32"),)
    assert switch(sources=sources).from_port("tap0", frame, 0) == Outcome((), drop_reason("SPOOFED"))


@pytest.mark.parametrize(("mtu", "told"), [(1330, 1280), (1329, None)])
def test_the_least_mtu_of_ipv6(mtu: int, told: int | None) -> None:
    """No IPv6 path has less than 1280 bytes (RFC 8200, section 5): nobody would believe it."""
    copies = switch(mtu=mtu).from_port("tap0", v6(UDP()), 0).copies
    assert [int.from_bytes(copy.frame[58:62], "big") for copy in copies] == ([told] if told else [])


@pytest.mark.parametrize(("mtu", "told"), [(118, 68), (117, None)])
def test_the_least_mtu_of_ipv4(mtu: int, told: int | None) -> None:
    """No IPv4 path has less than 68 bytes (RFC 791, section 3.2); a short packet is quoted in whole chunks."""
    frame = v4(UDP(), size=90)
    copies = switch(mtu=mtu).from_port("tap0", frame, 0).copies
    assert copies == ((ToPort("tap0", v4_error(frame[:94], told)),) if told else ())


@pytest.mark.parametrize(("vlans", "tag"), [(Vlans(mode="access", tag=7), None), (Vlans(), VlanTag(vid=0, pcp=3))])
def test_in_a_bridge(vlans: Vlans, tag: VlanTag | None) -> None:
    """The error comes back in the VLAN that the packet came in, with its priority."""
    frame, error = TOLD["ipv4-udp"]
    sent, back = (put_tag(frame, tag), put_tag(error, tag)) if tag else (frame, error)
    host = bridge(vlans, msgspec.structs.replace(vlans, mode="access"))
    assert host.from_port("tap0", sent, 0) == Outcome((ToPort("tap0", back),), TOO_BIG)


def test_tagged_in_a_bridge() -> None:
    """A tagged frame is the kernel's to send, which knows what fits."""
    frame, _ = TOLD["ipv4-udp"]
    host = bridge(Vlans(), Vlans(mode="access", tag=7))
    assert host.from_port("tap0", put_tag(frame, VlanTag(vid=7)), 0).drop is None


@pytest.mark.parametrize("field", [{"df": False}, {"csum": True}, {"ttl": 0}, {"tos": None}])
def test_what_the_kernel_decides(field: dict[str, object]) -> None:
    """Tunnels that may fragment, or whose headers the kernel writes: it knows what fits."""
    frame, _ = TOLD["ipv4-udp"]
    assert bridge(Vlans(), Vlans(), **field).from_port("tap0", frame, 0).drop is None
