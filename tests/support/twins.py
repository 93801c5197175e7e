# SPDX-License-Identifier: Apache-2.0
"""The kernel's switch and the reference switch side by side: the same in, the same out, or an AssertionError.

send a frame to both  -->  same copies?  same drop?  same FDB?        after every frame
                           same counters, same reports?               at the end
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support.board import UNDERLAY_MAC, Board, group_mac, next_hop_mac
from tests.support.tenant_frames import raw_macs
from vxnet.datapath.layout import FDB_STATIC, MEMBER_PORT, FdbKey
from vxnet.datapath.report import fdb
from vxnet.model import FdbEntry
from vxnet.packet import ethernet, ip, vxlan
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.flow import PORT_MIN
from vxnet.packet.mac import format_mac, parse_mac
from vxnet.switch.outcome import Behind, ToPort, ToUnderlay
from vxnet.switch.switch import Switch

if TYPE_CHECKING:
    from vxnet.datapath.layout import FdbValue
    from vxnet.model import HostState
    from vxnet.plan import Change, Value
    from vxnet.switch.outcome import Outcome, Place

NOW = 1000.0
"""The reference switch's clock, which stands still; only `Twins.expire` makes entries old."""

_LEAVES = {"fdb", "neighbour"}
"""Kinds that have no slot in the maps: nothing else is looked at when they go."""

Row = tuple[str, int, str]
"""Segment or bridge, VLAN and MAC: the key of an FDB entry."""

VLANS = (0, 7, 9, 100, 4095)
"""Those that tags and members of bridges have in the tests."""


class Twins:
    """Both switches, in one state, for one example."""

    def __init__(self, board: Board, state: HostState, example: int) -> None:
        """Bring the board to ``state``, with nothing left of an earlier example."""
        self.board = board
        self.example = example
        self.board.hear(0)
        board.bring(state)
        self.reference = Switch(state)
        self.state = state
        self._drops = board.drops()

    # ---- what happens to them ----

    def from_port(self, device: str, frame: bytes) -> Outcome:
        """Let a port send a frame."""
        expected = self.reference.from_port(device, frame, NOW)
        self.board.from_port(device, frame)
        self._compare(expected)
        return expected

    def from_underlay(self, packet: bytes) -> Outcome:
        """Let a packet arrive."""
        expected = self.reference.from_underlay(packet, NOW)
        self.board.from_underlay(packet)
        self._compare(expected)
        return expected

    def expire(self, segment: str, mac: str) -> None:
        """Make a learned entry too old, if there is one."""
        settings = next((s for s in self.state.segments if s.name == segment), None)
        entry = self.reference._fdb.tables[segment].get((0, mac)) if settings else None
        if settings is None or entry is None or entry.last_seen is None:
            return
        seen = NOW - settings.ageing - 1
        self.reference._fdb.tables[segment][0, mac] = type(entry)(entry.place, seen)
        key = self._key(segment, 0, parse_mac(mac))
        value = self.board.maps.fdb.get(key)
        assert value is not None
        value.last_seen = max(0, time.monotonic_ns() - (settings.ageing + 1) * 10**9)
        self.board.maps.fdb.put(key, value)
        # A cached answer is trusted for a second, and this entry has just become old in no time.
        self.board.datapath.touch()

    def sweep(self) -> None:
        """Let both forget what is too old."""
        before = len(self.reference.fdb())
        self.reference.sweep(NOW)
        assert self.board.sweep() == before - len(self.reference.fdb())
        self._compare_fdb()

    def become(self, state: HostState) -> tuple[Change, ...]:
        """Change the desired state; what stays keeps its FDB and its counters."""
        changes = self.board.bring(state)
        # What goes makes the datapath go through the FDB, with the settings that still hold; static entries likewise.
        gone = any(change.action == "remove" and change.kind not in _LEAVES | {"vtep"} for change in changes)
        if gone or any(change.kind == "tunnel" for change in changes):
            self.reference.sweep(NOW)
        before = self.reference
        self.reference = _carried_over(before, self.state, state)
        if any(change.action == "add" and _was_learned(before, change.value) for change in changes):
            self.reference.sweep(NOW)
        assert self.board.drops() == self._drops
        self.state = state
        self._compare_fdb()
        return changes

    # ---- whether they agree ----

    def _compare(self, expected: Outcome) -> None:
        heard = self.board.hear(len(expected.copies))
        copies = Counter((copy.device, copy.frame) for copy in expected.copies if isinstance(copy, ToPort))
        assert heard.copies == copies
        self._compare_packets([copy for copy in expected.copies if isinstance(copy, ToUnderlay)], heard.packets)
        drops = self.board.drops()
        assert drops - self._drops == Counter([expected.drop] if expected.drop else [])
        self._drops = drops
        self._compare_fdb()

    def _compare_packets(self, copies: list[ToUnderlay], packets: list[bytes]) -> None:
        wanted, seen = [], []
        for copy in copies:
            packet = self.reference.outer(copy)
            hop = group_mac(copy.remote) if copy.remote.is_multicast else next_hop_mac(copy.remote)
            wanted.append(vxlan.onto_ethernet(packet, src_mac=UNDERLAY_MAC, dst_mac=hop))
        # The fast path sends exactly what the reference says; the kernel's VXLAN device chooses some fields itself.
        exact = len(copies) == 1 and not copies[0].remote.is_multicast and self._is_fast(copies[0])
        checksums = {self.reference._members.tunnels[copy.tunnel].csum for copy in copies}
        for packet in packets:
            at = ethernet.HEADER_LENGTH + _header_length(packet)
            assert {packet[at + 6 : at + 8] != b"\0\0"} <= checksums
            assert at == IPV6_UDP or internet_checksum(packet[14:34]) == 0
            assert int.from_bytes(packet[at : at + 2], "big") >= PORT_MIN
        seen = packets if exact else [_without_choices(packet) for packet in packets]
        wanted = wanted if exact else [_without_choices(packet) for packet in wanted]
        assert Counter(seen) == Counter(wanted)

    def _is_fast(self, copy: ToUnderlay) -> bool:
        """Whether this is unicast in a segment whose place is known, and has a whole IP header."""
        segment, tunnel = self.reference._members.domains.get(copy.tunnel), self.reference._members.tunnels[copy.tunnel]
        if segment is None or tunnel.csum or not tunnel.ttl or tunnel.tos is None:
            return False
        known = self.reference._fdb.find(segment, (0, format_mac(copy.frame[:6])), NOW)
        least = {ethernet.IPV4: 34, ethernet.IPV6: 54}.get(int.from_bytes(copy.frame[12:14], "big"), 1 << 16)
        return known is not None and len(copy.frame) >= least

    def _compare_fdb(self) -> None:
        """Look every MAC of the example up in both."""
        keys = [
            (segment.name, vlan) for segment in self.state.segments for vlan in (VLANS if segment.inner_vlan else (0,))
        ]
        keys += [(bridge.name, vlan) for bridge in self.state.bridges for vlan in VLANS]
        seen: dict[Row, tuple[Place, bool]] = {}
        for name, vlan in keys:
            for raw in raw_macs(self.example):
                value = self.board.maps.fdb.get(self._key(name, vlan, raw))
                if value is not None:
                    seen[name, vlan, format_mac(raw)] = (self._place(value), bool(value.flags & FDB_STATIC))
        machines = set(map(format_mac, raw_macs(self.example)))
        rows = (row for row in self.reference.fdb() if row.mac in machines)
        expected = {(row.segment, row.vlan, row.mac): (row.place, row.state == "static") for row in rows}
        assert seen == expected

    def compare_reports(self) -> None:
        """Compare what `vxnet fdb`, `show` and `stats` say."""
        self.reference.sweep(NOW)
        with self.board.host.enter():
            shown = fdb(self.board.run_dir)
        rows = {(row.segment, row.vlan or 0, row.mac): (row.port or row.remote, row.state) for row in shown}
        assert rows == {(row.segment, row.vlan, row.mac): (row.where, row.state) for row in self.reference.fdb()}
        self._compare_all_traffic()

    def _compare_all_traffic(self) -> None:
        shown = self.board.overview()
        for segment in shown.segments:
            self._compare_traffic(segment.traffic, self.reference.tunnel_traffic[segment.name])
        for bridge in shown.bridges:
            for row in bridge.tunnels:
                self._compare_traffic(row.traffic, self.reference.tunnel_traffic[row.tunnel.name])
        ports = {port.device: port for segment in shown.segments for port in segment.ports}
        ports |= {port.device: port for bridge in shown.bridges for port in bridge.ports}
        for device, its in self.reference.port_traffic.items():
            self._compare_traffic(ports.pop(device).traffic, its)
        assert not ports
        tunnels = {row.tunnel.name for bridge in shown.bridges for row in bridge.tunnels}
        assert {segment.name for segment in shown.segments} | tunnels == set(self.reference.tunnel_traffic)

    @staticmethod
    def _compare_traffic(seen: Any, expected: Any) -> None:
        for field in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
            assert getattr(seen, field) == getattr(expected, field), field
        # A cached flow does not ask again whether its source may be learned.
        assert bool(seen.unlearned) == bool(expected.unlearned)
        assert seen.unlearned <= expected.unlearned

    def _key(self, segment: str, vlan: int, raw: bytes) -> FdbKey:
        domain = self.board.slots.domain_of(segment)
        return FdbKey.of(domain or 0, raw, vlan)

    def _place(self, value: FdbValue) -> Place:
        member = self.board.slots.members[value.place.member]
        remote = value.place.remote.ip()
        if member.kind == MEMBER_PORT:
            assert remote is None
            return member.name.decode()
        assert remote is not None
        return Behind(member.name.decode(), remote)


IPV6_UDP = ethernet.HEADER_LENGTH + ip.IPV6_HEADER_LENGTH


def _header_length(packet: bytes) -> int:
    is_ipv6 = packet[12:14] == ethernet.IPV6.to_bytes(2, "big")
    return ip.IPV6_HEADER_LENGTH if is_ipv6 else ip.IPV4_HEADER_LENGTH


def _without_choices(packet: bytes) -> bytes:
    """Return the packet without identification, header checksum (or flow label), source port and UDP checksum."""
    at = ethernet.HEADER_LENGTH + _header_length(packet)
    rest = packet[at + 2 : at + 6] + packet[at + 8 :]
    if at == IPV6_UDP:
        return packet[:15] + packet[18:at] + rest
    return packet[:18] + packet[20:24] + packet[26:at] + rest


def _was_learned(switch: Switch, value: Value) -> bool:
    """Tell whether this is a static entry in the place of a learned one: then the datapath counts all of them anew."""
    if not isinstance(value, FdbEntry):
        return False
    entry = switch._fdb.tables.get(value.segment, {}).get((0, value.mac))
    return entry is not None and entry.last_seen is not None


def _carried_over(old: Switch, before: HostState, state: HostState) -> Switch:
    """Return the reference switch in its new state, with what it keeps of the old one."""
    new = Switch(state)
    if before.vtep != state.vtep:
        return new
    vnis = {segment.name: (segment.vni, segment.inner_vlan) for segment in before.segments}
    networks = {s.name for s in state.segments if vnis.get(s.name) == (s.vni, s.inner_vlan)}
    networks |= {bridge.name for bridge in state.bridges} & {bridge.name for bridge in before.bridges}
    homes = {port.device: port.segment for port in before.ports}
    ports = {p.device for p in state.ports if homes.get(p.device) == p.segment and p.segment in networks}
    homes = {tunnel.name: tunnel.bridge for tunnel in before.tunnels} | {name: name for name in vnis}
    remotes = {t.name: t.remote for t in state.tunnels if homes.get(t.name) == t.bridge}
    remotes |= {name: None for name in networks if name in vnis}

    def stays(place: Place) -> bool:
        if isinstance(place, str):
            return place in ports
        return place.tunnel in remotes and remotes[place.tunnel] in {None, place.remote}

    for name in networks:
        for key, entry in old._fdb.tables[name].items():
            if entry.last_seen is not None and stays(entry.place):
                new._fdb.tables[name].setdefault(key, entry)
    new._fdb.moves.take_over(old._fdb.moves, stays)
    new.tunnel_traffic |= {name: old.tunnel_traffic[name] for name in remotes}
    new.port_traffic |= {device: old.port_traffic[device] for device in ports}
    return new
