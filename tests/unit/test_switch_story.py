# SPDX-License-Identifier: Apache-2.0
"""Whole networks of reference switches: three VTEPs learning from one another, and two tenants with equal MACs.

A -- VTEP-1 --+                    VNI 10, group 239.1.1.1
              +-- underlay --+-- VTEP-3   (no machine)
B -- VTEP-2 --+
"""

from __future__ import annotations

from ipaddress import IPv4Address

from tests.unit.frames import MAC_A, MAC_B, arp_request
from vxnet.drops import DropReason, drop_reason
from vxnet.model import HostState, IPAddress, Port, Segment, Vtep
from vxnet.packet.arp import REPLY, Arp
from vxnet.packet.ethernet import ARP, Ethernet
from vxnet.packet.vxlan import onto_ethernet
from vxnet.switch.outcome import Outcome, ToPort
from vxnet.switch.switch import Switch

VTEPS = tuple(IPv4Address(f"192.0.2.{i}") for i in (1, 2, 3))
GROUP = IPv4Address("239.1.1.1")


class Underlay:
    """An IP network that gives each packet to the host with its destination address, or to all others if multicast."""

    def __init__(self, states: tuple[HostState, ...]) -> None:
        """Start one switch for each state."""
        self.switches = {state.vtep.local: Switch(state) for state in states if state.vtep is not None}
        self.wire: list[tuple[IPAddress, IPAddress]] = []
        """Source and destination of every packet that was sent."""
        self.drops: list[tuple[IPAddress, DropReason]] = []

    def send(self, local: IPAddress, device: str, frame: bytes) -> list[tuple[IPAddress, str]]:
        """Let a machine send; return the ports, with their hosts, that got the frame unchanged."""
        outcome = self.switches[local].from_port(device, frame, 0)
        got = self._delivered(local, outcome, frame)
        for copy in outcome.copies:
            if isinstance(copy, ToPort):
                continue
            self.wire.append((local, copy.remote))
            packet = onto_ethernet(self.switches[local].outer(copy), src_mac=MAC_A, dst_mac=MAC_B)
            for other, switch in self.switches.items():
                if other != local and (copy.remote.is_multicast or copy.remote == other):
                    got += self._delivered(other, switch.from_underlay(packet, 0), frame)
        return got

    def _delivered(self, local: IPAddress, outcome: Outcome, frame: bytes) -> list[tuple[IPAddress, str]]:
        if outcome.drop is not None:
            self.drops.append((local, outcome.drop))
        ports = [copy for copy in outcome.copies if isinstance(copy, ToPort)]
        assert all(copy.frame == frame for copy in ports)
        return [(local, copy.device) for copy in ports]

    def fdb(self, local: IPAddress) -> dict[str, str | IPAddress]:
        """Return where each MAC is, as one VTEP sees it."""
        return {row.mac: row.where for row in self.switches[local].fdb()}


def arp_reply(sender_mac: str, sender_ip: str, target_mac: str, target_ip: str) -> bytes:
    """Return the unicast answer to an ARP request."""
    answer = Arp(
        operation=REPLY,
        sender_mac=sender_mac,
        sender_ip=IPv4Address(sender_ip),
        target_mac=target_mac,
        target_ip=IPv4Address(target_ip),
    )
    return Ethernet(dst=target_mac, src=sender_mac, ethertype=ARP, payload=answer.encode()).encode()


def test_three_vteps_learn_from_one_another() -> None:
    """The article, step by step: flood to the group, learn from it everywhere, answer by unicast, learn from that."""
    one, two, three = VTEPS
    segment = Segment(name="ten", vni=10, group=GROUP)
    net = Underlay(
        (
            HostState(vtep=Vtep(local=one), segments=(segment,), ports=(Port(device="a", segment="ten"),)),
            HostState(vtep=Vtep(local=two), segments=(segment,), ports=(Port(device="b", segment="ten"),)),
            HostState(vtep=Vtep(local=three), segments=(segment,)),
        )
    )
    # 1 and 2: A asks; the broadcast goes to the group; VTEP-2 delivers it, VTEP-3 drops it, both have learned.
    ask = arp_request(MAC_A, "10.0.0.1", "10.0.0.2")
    assert net.send(one, "a", ask) == [(two, "b")]
    assert net.wire == [(one, GROUP)]
    assert net.drops == [(three, drop_reason("NO_DESTINATION"))]
    assert [net.fdb(vtep) for vtep in VTEPS] == [{MAC_A: "a"}, {MAC_A: one}, {MAC_A: one}]
    # 3 and 4: B answers; it goes straight to VTEP-1, which learns where B is. VTEP-3 sees nothing of it.
    assert net.send(two, "b", arp_reply(MAC_B, "10.0.0.2", MAC_A, "10.0.0.1")) == [(one, "a")]
    assert net.wire[1:] == [(two, one)]
    assert [net.fdb(vtep) for vtep in VTEPS] == [{MAC_A: "a", MAC_B: two}, {MAC_A: one, MAC_B: "b"}, {MAC_A: one}]
    # From now on all is unicast.
    assert net.send(one, "a", arp_reply(MAC_A, "10.0.0.1", MAC_B, "10.0.0.2")) == [(two, "b")]
    assert net.wire[2:] == [(one, two)]
    assert len(net.drops) == 1


def test_tenants_with_equal_macs_never_meet() -> None:
    """Tenants 5001 and 5002 on the same two hosts, with the same MACs, each reach their own and only their own."""
    one, two, _ = VTEPS

    def host(local: IPAddress, remote: IPAddress) -> HostState:
        return HostState(
            vtep=Vtep(local=local),
            segments=(
                Segment(name="blue", vni=5001, remotes=(remote,)),
                Segment(name="red", vni=5002, remotes=(remote,)),
            ),
            ports=(Port(device="blue0", segment="blue"), Port(device="red0", segment="red")),
        )

    net = Underlay((host(one, two), host(two, one)))
    ask = arp_request(MAC_A, "10.0.0.1", "10.0.0.2")
    answer = arp_reply(MAC_B, "10.0.0.2", MAC_A, "10.0.0.1")
    # Blue's A is on host one; red's A, the same MAC, is on host two.
    assert net.send(one, "blue0", ask) == [(two, "blue0")]
    assert net.send(two, "red0", ask) == [(one, "red0")]
    assert net.send(two, "blue0", answer) == [(one, "blue0")]
    assert net.send(one, "red0", answer) == [(two, "red0")]
    rows = {(row.segment, row.mac): row.where for row in net.switches[one].fdb()}
    assert rows == {
        ("blue", MAC_A): "blue0",
        ("blue", MAC_B): two,
        ("red", MAC_A): two,
        ("red", MAC_B): "red0",
    }
    assert net.drops == []
