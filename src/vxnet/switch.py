# SPDX-License-Identifier: Apache-2.0
"""The reference switch: what vxnet does with a frame, in Python, to be read in one sitting.

The tests hold the eBPF programs to this file: same state, same frame, same outcome. The numbers are those of the
forwarding rules in docs/how-it-works.md.

    from_port(device, frame)                          from_underlay(packet)
      |  strip one VLAN tag                             |  ours? else leave it to the host
      |                                                 |  unfit headers, checksum, congestion mark: drop
      |  1. the port's segment                          |  1. the segment of (VNI, local address)
      |  2. source MAC: fit? learn it at the port       |  2. source MAC: fit? learn it behind the remote
      |  3. destination known: there, only there        |  3. destination known: there, if it is a port
      |  4. BUM: other ports, and group or remotes      |  4. BUM: all ports
      v                                                 v
    Outcome: copies to ports and to the underlay, and at most one drop reason

The functions stand in the order in which a frame meets them. Times are seconds on any clock that only goes forward.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import msgspec

from vxnet.drops import DropReason, drop_reason
from vxnet.packet import ecn, ethernet, vxlan
from vxnet.packet.mac import ZERO, format_mac, is_group
from vxnet.packet.outer import read_outer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.model import HostState, Segment
    from vxnet.packet.outer import OuterPacket

BAD_SOURCE = drop_reason("BAD_SOURCE")
VLAN_TAG = drop_reason("VLAN_TAG")
SAME_PORT = drop_reason("SAME_PORT")
SPLIT_HORIZON = drop_reason("SPLIT_HORIZON")
NO_DESTINATION = drop_reason("NO_DESTINATION")
UNKNOWN_VNI = drop_reason("UNKNOWN_VNI")
BAD_HEADER = drop_reason("BAD_HEADER")
TRUNCATED = drop_reason("TRUNCATED")
TOO_BIG = drop_reason("TOO_BIG")
BAD_CHECKSUM = drop_reason("BAD_CHECKSUM")
INNER_TRUNCATED = drop_reason("INNER_TRUNCATED")
CONGESTION_MARK = drop_reason("CONGESTION_MARK")

Place = str | IPv4Address
"""Where a MAC is: a port's device name, or the address of the remote it is behind."""


class ToPort(msgspec.Struct, frozen=True):
    """Give ``frame`` to the port ``device``."""

    device: str
    frame: bytes


class ToUnderlay(msgspec.Struct, frozen=True):
    """Send ``frame`` with ``vni`` to ``remote``: another VTEP's address, or the segment's group."""

    remote: IPv4Address
    vni: int
    frame: bytes


Copy = ToPort | ToUnderlay


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of one frame: ``copies``, ports first, and the reason if it or a part of it is not forwarded.

    ``ours`` is False for a packet from the underlay that the switch leaves to the host: nothing else is set then.
    """

    copies: tuple[Copy, ...] = ()
    drop: DropReason | None = None
    ours: bool = True


LEFT_TO_HOST = Outcome(ours=False)


class FdbRow(msgspec.Struct, frozen=True, kw_only=True):
    """One forwarding entry; ``state`` is "static", then ``last_seen`` is None, or "learned"."""

    segment: str
    vni: int
    mac: str
    place: Place
    state: str
    last_seen: float | None


class Traffic(msgspec.Struct):
    """Counters of a port, or of a segment's side to the underlay; bytes are those of tenants' frames, untagged.

    rx is what came into the segment from there, dropped or not; tx is what was given out there, each copy for itself.
    ``unlearned`` counts frames whose source MAC was not learned because the place had taught ``maxaddress`` already.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    unlearned: int = 0


class _Entry(msgspec.Struct, frozen=True):
    place: Place
    last_seen: float | None  # None: static


class Switch:
    """One host's switching, over the same HostState as the eBPF programs; it learns, ages and counts as they do."""

    def __init__(self, state: HostState, *, mtu: int = 1500) -> None:
        """Start with the static entries of ``state`` and nothing learned.

        Args:
            state: of a host that is up; ValueError if it has no VTEP. KeyError if a port's or an FDB entry's segment is
                not there, which the sources rule out.
            mtu: the underlay's IP MTU in bytes.
        """
        if state.vtep is None:
            raise ValueError("a host without a VTEP switches nothing")
        self._vtep = state.vtep
        self._mtu = mtu
        self._segments = state.segments
        by_name = {segment.name: segment for segment in state.segments}
        self._segment_of = {port.device: by_name[port.segment] for port in state.ports}
        self._fdb: dict[str, dict[str, _Entry]] = {name: {} for name in by_name}
        for static in state.fdb:
            place = static.port if static.port is not None else static.remote
            if place is not None:
                self._fdb[static.segment][static.mac] = _Entry(place, None)
        self.port_traffic = {port.device: Traffic() for port in state.ports}
        self.segment_traffic = {segment.name: Traffic() for segment in state.segments}
        self.drops: Counter[DropReason] = Counter()

    # ---- a frame from a port ----

    def from_port(self, device: str, frame: bytes, now: float) -> Outcome:
        """Switch an Ethernet frame (14 bytes or more, no FCS) that a port sent.

        Raises KeyError if no port has this device.
        """
        segment = self._segment_of[device]
        frame = ethernet.strip_tag(frame)
        unfit = self._receive(segment, device, frame, now)
        if unfit:
            return self._end(segment, (), unfit)
        place = self._find(segment, _dst(frame), now)
        if place is None:
            ports: tuple[Copy, ...] = tuple(ToPort(other, frame) for other in self._ports(segment) if other != device)
            return self._send(segment, ports, _flood_remotes(segment), frame)
        if place == device:
            return self._end(segment, (), SAME_PORT)
        if isinstance(place, str):
            return self._end(segment, (ToPort(place, frame),))
        return self._send(segment, (), (place,), frame)

    def _send(
        self, segment: Segment, ports: tuple[Copy, ...], remotes: tuple[IPv4Address, ...], frame: bytes
    ) -> Outcome:
        """Add the copies for the underlay, unless they do not fit: a VTEP never fragments (RFC 7348, section 4.3)."""
        if remotes and len(frame) + vxlan.OVERHEAD > self._mtu:
            return self._end(segment, ports, TOO_BIG)
        copies = (*ports, *(ToUnderlay(remote, segment.vni, frame) for remote in remotes))
        return self._end(segment, copies, None if copies else NO_DESTINATION)

    # ---- a packet from the underlay ----

    def from_underlay(self, packet: bytes, now: float) -> Outcome:
        """Switch what arrived on the underlay device: a whole Ethernet frame.

        Left to the host (``ours`` False) is whatever is not IPv4 and UDP to our port and to our address or a group of
        ours, or claims to come from our own address. So are fragments and packets with IP options, which the kernel
        makes whole or judges before it hands them back.
        """
        outer = read_outer(packet)
        if outer is None or not self._is_ours(outer):
            return LEFT_TO_HOST
        segment = self._segment_at(outer.vni, outer.dst) if outer.well_formed else None
        if segment is None:
            return self._end(None, (), _unfit_outer(outer))
        # Checksums come last, as they cost: nothing is learned from a packet with a wrong one, and nothing delivered.
        if outer.bad_checksum:
            return self._end(segment, (), BAD_CHECKSUM)
        if ecn.ends_in_header(outer.frame):
            return self._end(segment, (), INNER_TRUNCATED)
        frame = ecn.taken_out(outer.frame, outer.ecn)
        if frame is None:
            return self._end(segment, (), CONGESTION_MARK)
        return self._from_remote(segment, outer.src, frame, now)

    def _is_ours(self, outer: OuterPacket) -> bool:
        to_us = outer.dst == self._vtep.local or any(segment.group == outer.dst for segment in self._segments)
        from_another = outer.src != self._vtep.local and not _martian(outer.src)
        return to_us and from_another and outer.dst_port == self._vtep.dstport

    def _segment_at(self, vni: int, address: IPv4Address) -> Segment | None:
        """Return the segment with this VNI that receives at ``address``: all do at ours, one with a group there too."""
        for segment in self._segments:
            if segment.vni == vni and address in {self._vtep.local, segment.group}:
                return segment
        return None

    def _from_remote(self, segment: Segment, remote: IPv4Address, frame: bytes, now: float) -> Outcome:
        unfit = self._receive(segment, remote, frame, now)
        if unfit:
            return self._end(segment, (), unfit)
        place = self._find(segment, _dst(frame), now)
        if isinstance(place, IPv4Address):
            return self._end(segment, (), SPLIT_HORIZON)
        ports = self._ports(segment) if place is None else (place,)
        return self._end(segment, tuple(ToPort(port, frame) for port in ports), None if ports else NO_DESTINATION)

    # ---- both ----

    def _receive(self, segment: Segment, place: Place, frame: bytes, now: float) -> DropReason | None:
        """Count the frame, say what makes it unfit to be forwarded, and learn from it if nothing does."""
        traffic = self._traffic(segment, place)
        traffic.rx_packets += 1
        traffic.rx_bytes += len(frame)
        src = _src(frame)
        if src == ZERO or is_group(src):
            return BAD_SOURCE
        if ethernet.has_tag(frame):
            return VLAN_TAG
        self._learn(segment, src, place, now)
        return None

    def _learn(self, segment: Segment, mac: str, place: Place, now: float) -> None:
        table = self._fdb[segment.name]
        old = table.get(mac)
        if not segment.learning or (old is not None and old.last_seen is None):
            return
        # An entry that has expired but was not swept yet still stands: it is refreshed, or moves, like any other.
        if old is None or old.place != place:
            taught = sum(entry.place == place and entry.last_seen is not None for entry in table.values())
            if taught >= segment.maxaddress:
                self._traffic(segment, place).unlearned += 1
                return
        table[mac] = _Entry(place, now)

    def _find(self, segment: Segment, mac: str, now: float) -> Place | None:
        """Return where the destination is, or None for BUM: a group, or a MAC that is unknown or has expired."""
        entry = self._fdb[segment.name].get(mac)
        if is_group(mac) or entry is None or _expired(segment, entry, now):
            return None
        return entry.place

    def _ports(self, segment: Segment) -> tuple[str, ...]:
        return tuple(device for device, its in self._segment_of.items() if its is segment)

    def _end(self, segment: Segment | None, copies: tuple[Copy, ...], drop: DropReason | None = None) -> Outcome:
        """Count what is given out and what is dropped. A packet of no segment has no copies."""
        if segment is not None:
            for copy in copies:
                traffic = self._traffic(segment, copy.device if isinstance(copy, ToPort) else copy.remote)
                traffic.tx_packets += 1
                traffic.tx_bytes += len(copy.frame)
        if drop is not None:
            self.drops[drop] += 1
        return Outcome(copies, drop)

    def _traffic(self, segment: Segment, place: Place) -> Traffic:
        return self.port_traffic[place] if isinstance(place, str) else self.segment_traffic[segment.name]

    # ---- beside the packets ----

    def sweep(self, now: float) -> None:
        """Forget the learned entries that have expired."""
        for segment in self._segments:
            table = self._fdb[segment.name]
            self._fdb[segment.name] = {m: entry for m, entry in table.items() if not _expired(segment, entry, now)}

    def fdb(self) -> tuple[FdbRow, ...]:
        """Return every entry that is held, those that expired since the last sweep included, by segment."""
        return tuple(self._rows())

    def _rows(self) -> Iterable[FdbRow]:
        for segment in self._segments:
            for mac, entry in self._fdb[segment.name].items():
                yield FdbRow(
                    segment=segment.name,
                    vni=segment.vni,
                    mac=mac,
                    place=entry.place,
                    state="static" if entry.last_seen is None else "learned",
                    last_seen=entry.last_seen,
                )

    def outer(self, copy: ToUnderlay) -> bytes:
        """Return the outer IPv4 packet of this copy; its Ethernet header is up to the host's routes and neighbours."""
        return vxlan.encapsulate(
            copy.frame, vni=copy.vni, src=self._vtep.local, dst=copy.remote, dst_port=self._vtep.dstport
        )


def _unfit_outer(outer: OuterPacket) -> DropReason:
    """Return why a packet for us belongs to no segment."""
    if outer.truncated:
        return TRUNCATED
    return BAD_HEADER if outer.bad_header else UNKNOWN_VNI


def _martian(address: IPv4Address) -> bool:
    """Tell whether the kernel would refuse this source from the wire: no host can have it."""
    return address.is_unspecified or address.is_loopback or address.is_multicast or int(address) == 0xFFFFFFFF


def _dst(frame: bytes) -> str:
    return format_mac(frame[0:6])


def _src(frame: bytes) -> str:
    return format_mac(frame[6:12])


def _flood_remotes(segment: Segment) -> tuple[IPv4Address, ...]:
    return segment.remotes if segment.group is None else (segment.group,)


def _expired(segment: Segment, entry: _Entry, now: float) -> bool:
    return entry.last_seen is not None and segment.ageing > 0 and now - entry.last_seen >= segment.ageing
