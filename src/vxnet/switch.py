# SPDX-License-Identifier: Apache-2.0
"""The reference switch: what vxnet does with a frame, in Python, to be read in one sitting.

The tests hold the eBPF programs to this file: same state, same frame, same outcome. The numbers are those of the
forwarding rules in docs/how-it-works.md.

    from_port(device, frame)                     from_underlay(packet)
      |                                            |  ours? else leave it to the host
      |                                            |  unfit headers, checksum, mark; no tunnel for it: drop
      |  1. the port's segment or bridge           |  1. the tunnel it came through, and that one's segment or bridge,
      |                                            |     which takes packets from this sender? else drop
      '--------------------.   .-------------------'
                           v   v
      |  a segment takes one VLAN tag off; in a bridge: which VLAN is it in?
      |  8. from a port that has sources: its MAC and its addresses are among them? else drop
      |  2. source MAC: fit? learn it at the port, or behind the remote; 12. unless it moves too often
      |  9. from a segment's port, a question for an address whose MAC is known here: answer it
      |  3. destination known: there, only there, and never back where it came from
      |  11. BUM, of which no more has come than storm control lets in? else drop
      |  4. BUM: every other port, and the group or the remotes of every other tunnel
      |  10. known unicast from a port that is too large for the path: its sender is told
      v
    Outcome: copies to ports and to the underlay, and at most one drop reason

The functions stand in the order in which a frame meets them. Times are seconds on any clock that only goes forward.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vxnet import answers, security, toobig
from vxnet.drops import DropReason, drop_reason
from vxnet.duplicates import Moves
from vxnet.model import Bridge, IPAddress, Segment, Tunnel
from vxnet.packet import ecn, ethernet, vxlan
from vxnet.packet.ethernet import VlanTag
from vxnet.packet.mac import ZERO, format_mac, is_group
from vxnet.packet.outer import read_outer
from vxnet.storm import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vxnet.model import HostState, Vlans, Vtep
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
VLAN_FILTERED = drop_reason("VLAN_FILTERED")
LINK_LOCAL = drop_reason("LINK_LOCAL")
SPOOFED = drop_reason("SPOOFED")
UNKNOWN_REMOTE = drop_reason("UNKNOWN_REMOTE")
STORM = drop_reason("STORM")

_NO_SOURCES = frozenset(map(ip_address, ("0.0.0.0", "255.255.255.255")))  # noqa: S104  (bound to nothing)

LINK_LOCAL_PREFIX = "01:80:c2:00:00:0"
"""IEEE 802.1Q, 8.6.3: 01:80:c2:00:00:00-0f are for the link alone."""


class Behind(NamedTuple):
    """A place behind a tunnel: the VTEP ``remote``. A segment's own tunnel has the segment's name."""

    tunnel: str
    remote: IPAddress


Place = str | Behind
"""Where a MAC is: a port's device name, or a remote behind a tunnel."""


class ToPort(msgspec.Struct, frozen=True):
    """Give ``frame`` to the port ``device``."""

    device: str
    frame: bytes


class ToUnderlay(msgspec.Struct, frozen=True):
    """Send ``frame`` through ``tunnel`` to ``remote``: another VTEP's address, or the segment's group."""

    tunnel: str
    remote: IPAddress
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
    """One forwarding entry of a segment or bridge; ``state`` is "static", then ``last_seen`` is None, or "learned"."""

    segment: str
    vlan: int
    mac: str
    place: Place
    state: str
    last_seen: float | None

    @property
    def where(self) -> str | IPAddress:
        """The port's device, or the remote, whatever tunnel it is behind."""
        return self.place if isinstance(self.place, str) else self.place.remote


class Traffic(msgspec.Struct):
    """Counters of a port or a tunnel; bytes are those of tenants' frames, in a bridge with their tag.

    rx is what came into the segment from there, dropped or not; tx is what was given out there, each copy for itself.
    ``unlearned`` counts frames whose source MAC was not learned because the place had taught ``maxaddress`` already,
    ``suppressed`` the BUM frames that storm control dropped.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    unlearned: int = 0
    suppressed: int = 0


class _Entry(msgspec.Struct, frozen=True):
    place: Place
    last_seen: float | None  # None: static


Key = tuple[int, str]
"""VLAN (0 in a segment) and MAC: what a table is asked for."""


class _Frame(NamedTuple):
    """A frame inside a segment or bridge: untagged, beside the tag it came with."""

    data: bytes
    vlan: int = 0
    tag: VlanTag = VlanTag(vid=0)


class Switch:
    """One host's switching, over the same HostState as the eBPF programs; it learns, ages and counts as they do."""

    def __init__(self, state: HostState, *, mtu: int = 1500) -> None:
        """Start with the static entries of ``state`` and nothing learned.

        Args:
            state: of a host that is up: ValueError if there is neither a segment's VTEP nor a bridge. KeyError if what
                something belongs to is not there, which the sources rule out.
            mtu: the IP MTU in bytes of the path to every remote.
        """
        if state.vtep is None and not state.bridges:
            raise ValueError("a host without a VTEP or a bridge switches nothing")
        self._vtep = state.vtep
        self._mtu = mtu
        self._networks: dict[str, Segment | Bridge] = {segment.name: segment for segment in state.segments}
        self._networks |= {bridge.name: bridge for bridge in state.bridges}
        self._ports = {port.device: port for port in state.ports}
        own = (_own_tunnel(segment, state.vtep) for segment in state.segments if state.vtep)
        self._tunnels = {tunnel.name: tunnel for tunnel in (*own, *state.tunnels)}
        self._fdb: dict[str, dict[Key, _Entry]] = {name: {} for name in self._networks}
        for static in state.fdb:
            place = static.port or (Behind(static.segment, static.remote) if static.remote else None)
            if place is not None:
                self._fdb[static.segment][0, static.mac] = _Entry(place, None)
        self._neighbours: dict[str, dict[str, str]] = {name: {} for name in self._networks}
        for neighbour in state.neighbours:
            self._neighbours[neighbour.segment][neighbour.address] = neighbour.mac
        self.port_traffic = {device: Traffic() for device in self._ports}
        self.tunnel_traffic = {name: Traffic() for name in self._tunnels}
        self.drops: Counter[DropReason] = Counter()
        self._buckets = Buckets()
        self._moves = Moves[Place]()

    # ---- a frame from a port ----

    def from_port(self, device: str, frame: bytes, now: float) -> Outcome:
        """Switch an Ethernet frame (14 bytes or more, no FCS) that a port sent.

        Raises KeyError if no port has this device.
        """
        port = self._ports[device]
        network = self._networks[port.segment]
        untagged = ethernet.strip_tag(frame)
        if _has_vlans(network):
            self._count_in(device, frame)
            return self._from_member(network, device, port.vlans, frame, now)
        self._count_in(device, untagged)
        # A port of a segment without VLANs has one tag taken off, which is forgotten; RFC 7348, section 6.1.
        return self._switch(network, device, _Frame(untagged), now)

    # ---- a packet from the underlay ----

    def from_underlay(self, packet: bytes, now: float) -> Outcome:
        """Switch what arrived on the underlay device: a whole Ethernet frame.

        Left to the host (``ours`` False) is whatever is not IP and UDP to a port and an address or a group of ours,
        or claims to come from our own address. So are fragments and packets with IP options, which the kernel makes
        whole or judges before it hands them back.
        """
        outer = read_outer(packet)
        if outer is None or not self._is_ours(outer):
            return LEFT_TO_HOST
        if reason := self._unfit(outer):
            return self._end((), reason)
        tunnel, frame = self._tunnel_of(outer), ecn.taken_out(outer.frame, outer.ecn)
        if tunnel is None or frame is None:
            raise AssertionError("these have a reason")
        network, place = self._networks[tunnel.bridge], Behind(tunnel.name, outer.src)
        self._count_in(place, frame)
        if _has_vlans(network):
            return self._from_member(network, place, tunnel.vlans, frame, now)
        return self._switch(network, place, _Frame(frame), now)

    def _is_ours(self, outer: OuterPacket) -> bool:
        at_port = [tunnel for tunnel in self._tunnels.values() if tunnel.dstport == outer.dst_port]
        locals_ = {local for tunnel in at_port for local in self._locals(tunnel)}
        ours = locals_ | self._groups
        # A tunnel without a local address takes what comes to any address of the host, of which a switch knows nothing.
        to_us = outer.dst in ours or (None in locals_ and not outer.dst.is_multicast)
        from_others = outer.src not in ours and not _martian(outer.src)
        return bool(at_port) and to_us and (from_others or self._is_nobody(outer.src))

    def _unfit(self, outer: OuterPacket) -> DropReason | None:
        """Return why a packet for us is dropped before it is looked into.

        Checksums come late, as they cost: nothing is learned from a packet with a wrong one, and nothing delivered.
        """
        reasons: tuple[tuple[DropReason, Callable[[], bool]], ...] = (
            (UNKNOWN_REMOTE, lambda: self._is_nobody(outer.src)),
            (TRUNCATED, lambda: outer.truncated),
            (BAD_HEADER, lambda: outer.bad_header),
            (UNKNOWN_VNI, lambda: self._tunnel_of(outer) is None),
            (UNKNOWN_REMOTE, lambda: not self._may_send(outer)),
            (BAD_CHECKSUM, lambda: outer.bad_checksum),
            (INNER_TRUNCATED, lambda: ecn.ends_in_header(outer.frame)),
            (CONGESTION_MARK, lambda: ecn.taken_out(outer.frame, outer.ecn) is None),
        )
        return next((reason for reason, is_so in reasons if is_so()), None)

    def _may_send(self, outer: OuterPacket) -> bool:
        """Tell whether its segment takes packets from the sender; bridges' tunnels say themselves from whom."""
        tunnel = self._tunnel_of(outer)
        network = self._networks[tunnel.bridge] if tunnel else None
        senders = network.senders if isinstance(network, Segment) else None
        return senders is None or any(outer.src in ip_network(prefix) for prefix in senders)

    @property
    def _groups(self) -> set[IPAddress | None]:
        return {network.group for network in self._networks.values() if isinstance(network, Segment)}

    def _is_nobody(self, source: IPAddress) -> bool:
        """Tell whether no other host has this IPv6 address, which the kernel takes from the wire all the same.

        That is ::, an IPv4 address in its mapped form, and our own.
        """
        if isinstance(source, IPv4Address):
            return False
        own = {local for tunnel in self._tunnels.values() for local in self._locals(tunnel)} | self._groups
        return source.is_unspecified or source.ipv4_mapped is not None or source in own

    def _tunnel_of(self, outer: OuterPacket) -> Tunnel | None:
        """Return the most particular tunnel that takes the packet: by VNI, then by remote, then by our address."""

        def fits(tunnel: Tunnel) -> bool:
            network = self._networks[tunnel.bridge]
            group = network.group if isinstance(network, Segment) else None
            return (
                tunnel.dstport == outer.dst_port
                and tunnel.vni in {None, outer.vni}
                and tunnel.remote in {None, outer.src}
                and (tunnel.local is None or outer.dst in {*self._locals(tunnel), group})
            )

        fitting = (tunnel for tunnel in self._tunnels.values() if fits(tunnel))
        return max(fitting, key=lambda t: (t.vni is not None, t.remote is not None, t.local is not None), default=None)

    def _locals(self, tunnel: Tunnel) -> tuple[IPAddress | None, ...]:
        """Return our addresses that a tunnel's packets come to, the preferred one first; None: any."""
        own = self._vtep.local6 if self._vtep and isinstance(self._networks[tunnel.bridge], Segment) else None
        return (tunnel.local, own) if own else (tunnel.local,)

    # ---- inside a segment or a bridge ----

    def _from_member(self, network: Segment | Bridge, place: Place, vlans: Vlans, frame: bytes, now: float) -> Outcome:
        """Find a frame's VLAN, or drop it if the member it came from is not in it."""
        data, tag = ethernet.take_tag(frame)
        vlan = _vlan_in(vlans, tag.vid)
        if vlan is None:
            return self._end((), VLAN_FILTERED)
        if isinstance(network, Bridge) and _dst(data).startswith(LINK_LOCAL_PREFIX) and not network.forward_bpdu:
            return self._end((), LINK_LOCAL)
        return self._switch(network, place, _Frame(data, vlan, tag), now)

    def _switch(self, network: Segment | Bridge, place: Place, frame: _Frame, now: float) -> Outcome:
        """Learn from a frame, and send it to the one place of its destination, or everywhere."""
        src, dst = _src(frame.data), _dst(frame.data)
        refused = self._refused(network, place, frame) if isinstance(network, Segment) else None
        if refused is not None:
            return self._end((), refused)
        self._learn(network, (frame.vlan, src), place, now)
        if reply := self._answer(network, place, frame):
            return reply
        there = self._find(network, (frame.vlan, dst), now)
        if there is None:
            if isinstance(network, Segment) and self._is_storm(network, place, now):
                return self._end((), STORM)
            return self._flood(network, _member(place), frame)
        return self._forward(place, there, frame)

    def _forward(self, place: Place, there: Place, frame: _Frame) -> Outcome:
        """Send known unicast to its one place, or tell the port it came from that it does not fit the way there."""
        if _member(there) == _member(place):
            return self._end((), SAME_PORT if isinstance(place, str) else SPLIT_HORIZON)
        tagged = self._tagged(there, frame)
        if tagged is None:
            return self._end((), VLAN_FILTERED)
        if isinstance(place, str) and isinstance(there, Behind) and not self._fits_path(there, frame, tagged):
            return self._too_big(place, there.remote, frame)
        return self._send([(there, tagged)])

    def _refused(self, segment: Segment, place: Place, frame: _Frame) -> DropReason | None:
        """Return why a segment takes no such frame; a bridge forwards frames with any source, as Open vSwitch does."""
        src = _src(frame.data)
        if src == ZERO or is_group(src):
            return BAD_SOURCE
        if ethernet.has_tag(frame.data) and not segment.inner_vlan:
            return VLAN_TAG
        sources = self._ports[place].sources if isinstance(place, str) else None
        # A second tag hides nothing: the kernel holds it beside the frame.
        return None if sources is None or security.may_leave(sources, ethernet.strip_tag(frame.data)) else SPOOFED

    def _answer(self, network: Segment | Bridge, place: Place, frame: _Frame) -> Outcome | None:
        """Answer a port's question for the MAC of an address that is known here."""
        if not isinstance(place, str) or not isinstance(network, Segment) or frame.vlan:
            return None
        reply = answers.answer(self._neighbours[network.name], frame.data)
        return self._send([(place, reply)]) if reply else None

    def _is_storm(self, segment: Segment, place: Place, now: float) -> bool:
        """Tell whether a frame to be flooded is one too many."""
        own = self._ports[place].storm_control if isinstance(place, str) else None
        of_place, of_all = own or segment.storm_control, segment.storm_control_total
        admit = self._buckets.admit
        if admit((segment.name, place), of_place, now) and admit(segment.name, of_all, now):
            return False
        self._traffic(place).suppressed += 1
        return True

    def _flood(self, network: Segment | Bridge, source: str, frame: _Frame) -> Outcome:
        """Send a copy to every other member that is in the frame's VLAN."""
        ports: list[Place] = [port.device for port in self._ports.values() if port.segment == network.name]
        tunnels = [tunnel for tunnel in self._tunnels.values() if tunnel.bridge == network.name]
        behind = [Behind(tunnel.name, remote) for tunnel in tunnels for remote in _remotes(network, tunnel)]
        copies = []
        for place in (*ports, *behind):
            tagged = None if _member(place) == source else self._tagged(place, frame)
            if tagged is not None:
                copies.append((place, tagged))
        return self._send(copies)

    def _tagged(self, place: Place, frame: _Frame) -> bytes | None:
        """Return the frame as this member gets it, or None if the member is not in the frame's VLAN."""
        vlans = (self._ports[place] if isinstance(place, str) else self._tunnels[place.tunnel]).vlans
        vid = _vlan_out(vlans, frame.vlan)
        if vid is None:
            return None
        # In a trunk, VLAN 0 has a tag if there is a priority to be told.
        if vid or (vlans.mode == "trunk" and (frame.tag.pcp or frame.tag.dei)):
            return ethernet.put_tag(frame.data, msgspec.structs.replace(frame.tag, vid=vid))
        return frame.data

    def _send(self, copies: list[tuple[Place, bytes]]) -> Outcome:
        """Let the copies go but those that do not fit: a VTEP never fragments (RFC 7348, section 4.3)."""
        sent: list[Copy] = []
        too_big = False
        for place, frame in copies:
            if isinstance(place, str):
                sent.append(ToPort(place, frame))
            elif self._fits(self._tunnels[place.tunnel], place.remote, frame):
                sent.append(ToUnderlay(place.tunnel, place.remote, self._tunnels[place.tunnel].vni_out, frame))
            else:
                too_big = True
        if too_big:
            return self._end(tuple(sent), TOO_BIG)
        return self._end(tuple(sent), None if sent else NO_DESTINATION)

    def _fits(self, tunnel: Tunnel, remote: IPAddress, frame: bytes) -> bool:
        """Tell whether the wrapped frame fits; of bridges' tunnels the kernel knows, on the route it finds."""
        return isinstance(self._networks[tunnel.bridge], Bridge) or len(frame) + vxlan.overhead(remote) <= self._mtu

    def _fits_path(self, there: Behind, frame: _Frame, tagged: bytes) -> bool:
        """Tell whether known unicast fits; of bridges' tunnels this is known of what is wrapped in place."""
        tunnel = self._tunnels[there.tunnel]
        if isinstance(self._networks[tunnel.bridge], Segment):
            return self._fits(tunnel, there.remote, tagged)
        untagged_ip = frame.tag.vid == 0 and int.from_bytes(tagged[12:14], "big") in {ethernet.IPV4, ethernet.IPV6}
        in_place = untagged_ip and tunnel.ttl > 0 and tunnel.tos is not None and not tunnel.csum
        return not (in_place and tunnel.df) or len(tagged) + vxlan.overhead(there.remote) <= self._mtu

    def _too_big(self, port: str, remote: IPAddress, frame: _Frame) -> Outcome:
        """Drop what is too large for the path, and tell the port how large its IP packets may be."""
        error = toobig.tell(frame.data, self._mtu - vxlan.overhead(remote) - ethernet.HEADER_LENGTH)
        back = None if error is None else self._tagged(port, frame._replace(data=error))
        return self._end((ToPort(port, back),) if back else (), TOO_BIG)

    def _learn(self, network: Segment | Bridge, key: Key, place: Place, now: float) -> None:
        table = self._fdb[network.name]
        old = table.get(key)
        if is_group(key[1]) or (isinstance(network, Segment) and not network.learning):
            return
        if old is not None and old.last_seen is None:
            return
        # An entry that has expired but was not swept yet still stands: it is refreshed, or moves, like any other.
        if old is None or old.place != place:
            max_moves = network.max_moves if isinstance(network, Segment) else 0
            may = self._moves.allow((network.name, key), old.place if old else None, place, max_moves, now)
            if may is None or (old is not None and old.place == may):
                self._traffic(place).unlearned += 1
                return
            place = may
            taught = sum(entry.place == place and entry.last_seen is not None for entry in table.values())
            if taught >= network.maxaddress:
                self._traffic(place).unlearned += 1
                return
        table[key] = _Entry(place, now)

    def _find(self, network: Segment | Bridge, key: Key, now: float) -> Place | None:
        """Return where the destination is, or None for BUM: a group, or a MAC that is unknown or has expired."""
        entry = self._fdb[network.name].get(key)
        if is_group(key[1]) or entry is None or _expired(network, entry, now):
            return None
        return entry.place

    # ---- counting ----

    def _count_in(self, place: Place, frame: bytes) -> None:
        traffic = self._traffic(place)
        traffic.rx_packets += 1
        traffic.rx_bytes += len(frame)

    def _end(self, copies: tuple[Copy, ...], drop: DropReason | None = None) -> Outcome:
        """Count what is given out and what is dropped."""
        for copy in copies:
            traffic = self._traffic(copy.device if isinstance(copy, ToPort) else Behind(copy.tunnel, copy.remote))
            traffic.tx_packets += 1
            traffic.tx_bytes += len(copy.frame)
        if drop is not None:
            self.drops[drop] += 1
        return Outcome(copies, drop)

    def _traffic(self, place: Place) -> Traffic:
        return self.port_traffic[place] if isinstance(place, str) else self.tunnel_traffic[place.tunnel]

    # ---- beside the packets ----

    def sweep(self, now: float) -> None:
        """Forget the learned entries that have expired."""
        for network in self._networks.values():
            table = self._fdb[network.name]
            self._fdb[network.name] = {key: entry for key, entry in table.items() if not _expired(network, entry, now)}

    def fdb(self) -> tuple[FdbRow, ...]:
        """Return every entry that is held, those that expired since the last sweep included, by segment."""
        return tuple(self._rows())

    def _rows(self) -> Iterable[FdbRow]:
        for name, table in self._fdb.items():
            for (vlan, mac), entry in table.items():
                yield FdbRow(
                    segment=name,
                    vlan=vlan,
                    mac=mac,
                    place=entry.place,
                    state="static" if entry.last_seen is None else "learned",
                    last_seen=entry.last_seen,
                )

    def outer(self, copy: ToUnderlay) -> bytes:
        """Return the outer IP packet of this copy; its Ethernet header is up to the host's routes and neighbours.

        ValueError for a tunnel without a local address: the route to the remote chooses one.
        """
        tunnel = self._tunnels[copy.tunnel]
        local = next((a for a in self._locals(tunnel) if a and a.version == copy.remote.version), None)
        if local is None:
            raise ValueError(f"tunnel {tunnel.name} sends from whatever address the route to {copy.remote} prefers")
        header = vxlan.Header(ttl=tunnel.ttl, tos=tunnel.tos, df=tunnel.df, csum=tunnel.csum)
        return vxlan.encapsulate(
            copy.frame, vni=copy.vni, src=local, dst=copy.remote, dst_port=tunnel.dstport, header=header
        )


def _own_tunnel(segment: Segment, vtep: Vtep) -> Tunnel:
    """Return the one tunnel of a segment, which all its remotes are behind."""
    return Tunnel(
        name=segment.name,
        bridge=segment.name,
        vni=segment.vni,
        vni_out=segment.vni,
        remote=None,
        local=vtep.local,
        dstport=vtep.dstport,
        ttl=segment.ttl,
        tos=segment.tos,
        df=segment.df,
        csum=segment.csum,
    )


def _has_vlans(network: Segment | Bridge) -> bool:
    """Tell whether frames may have tags inside, which then are those of VLANs."""
    return isinstance(network, Bridge) or network.inner_vlan


def _remotes(network: Segment | Bridge, tunnel: Tunnel) -> tuple[IPAddress, ...]:
    """Return where BUM goes through this tunnel."""
    if isinstance(network, Bridge):
        return (tunnel.remote,) if tunnel.remote else ()
    return (network.group,) if network.group else tuple(at for at in network.remotes if at not in network.dead)


def _member(place: Place) -> str:
    """Return the port or tunnel of a place: a frame never goes back there (split horizon)."""
    return place if isinstance(place, str) else place.tunnel


def _vlan_in(vlans: Vlans, vid: int) -> int | None:
    """Return the VLAN of a frame that came with this VLAN ID (0: none), or None if it is not admitted."""
    if vlans.mode == "access":
        return None if vid else vlans.tag
    if vlans.mode != "trunk" and vid in {0, vlans.tag}:
        return vlans.tag
    return vid if _in_trunk(vlans, vid) else None


def _vlan_out(vlans: Vlans, vlan: int) -> int | None:
    """Return the VLAN ID (0: untagged) that a frame of this VLAN goes out with, or None if it does not."""
    if vlans.mode == "access":
        return 0 if vlan == vlans.tag else None
    if vlans.mode != "trunk" and vlan == vlans.tag:
        return 0 if vlans.mode == "native-untagged" else vlan
    return vlan if _in_trunk(vlans, vlan) else None


def _in_trunk(vlans: Vlans, vlan: int) -> bool:
    """Tell whether a trunk is in this VLAN; one with a native VLAN is not in VLAN 0 unless it says so."""
    return vlan in vlans.trunks if vlans.trunks else vlans.mode == "trunk" or vlan != 0


def _martian(address: IPAddress) -> bool:
    """Tell whether the kernel would refuse this source from the wire: no host can have it."""
    return address in _NO_SOURCES or address.is_loopback or address.is_multicast


def _dst(frame: bytes) -> str:
    return format_mac(frame[0:6])


def _src(frame: bytes) -> str:
    return format_mac(frame[6:12])


def _expired(network: Segment | Bridge, entry: _Entry, now: float) -> bool:
    return entry.last_seen is not None and network.ageing > 0 and now - entry.last_seen >= network.ageing
