# SPDX-License-Identifier: Apache-2.0
"""The way of a frame through the reference switch; the drawing of it is in the package's docstring.

The functions stand in the order in which a frame meets them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vxnet.drops import DropReason, drop_reason
from vxnet.model import Bridge, Segment
from vxnet.packet import ecn, ethernet, vxlan
from vxnet.packet.mac import ZERO, format_mac, is_group
from vxnet.packet.outer import read_outer
from vxnet.switch import answers, security, toobig, vlans
from vxnet.switch.arrival import Arrival
from vxnet.switch.fdb import Fdb
from vxnet.switch.members import Members, has_vlans
from vxnet.switch.outcome import LEFT_TO_HOST, Behind, Outcome, ToPort, ToUnderlay, Traffic, member
from vxnet.switch.storm import Buckets
from vxnet.switch.vlans import Frame

if TYPE_CHECKING:
    from vxnet.model import HostState, IPAddress, Tunnel
    from vxnet.switch.fdb import FdbRow
    from vxnet.switch.members import Domain
    from vxnet.switch.outcome import Copy, Place

BAD_SOURCE = drop_reason("BAD_SOURCE")
VLAN_TAG = drop_reason("VLAN_TAG")
SAME_PORT = drop_reason("SAME_PORT")
SPLIT_HORIZON = drop_reason("SPLIT_HORIZON")
NO_DESTINATION = drop_reason("NO_DESTINATION")
TOO_BIG = drop_reason("TOO_BIG")
VLAN_FILTERED = drop_reason("VLAN_FILTERED")
LINK_LOCAL = drop_reason("LINK_LOCAL")
SPOOFED = drop_reason("SPOOFED")
STORM = drop_reason("STORM")

LINK_LOCAL_PREFIX = "01:80:c2:00:00:0"
"""IEEE 802.1Q, 8.6.3: 01:80:c2:00:00:00-0f are for the link alone."""


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
        self._mtu = mtu
        self._members = Members(state)
        self._arrival = Arrival(self._members)
        self._fdb = Fdb(self._members.domains.values(), state.fdb)
        self._neighbours: dict[str, dict[str, str]] = {name: {} for name in self._members.domains}
        for neighbour in state.neighbours:
            self._neighbours[neighbour.segment][neighbour.address] = neighbour.mac
        self._buckets = Buckets()
        self.port_traffic = {device: Traffic() for device in self._members.ports}
        self.tunnel_traffic = {name: Traffic() for name in self._members.tunnels}
        self.drops: Counter[DropReason] = Counter()

    # ---- a frame from a port, a packet from the underlay ----

    def from_port(self, device: str, frame: bytes, now: float) -> Outcome:
        """Switch an Ethernet frame (14 bytes or more, no FCS) that a port sent.

        Raises KeyError if no port has this device.
        """
        domain = self._members.domains[self._members.ports[device].segment]
        untagged = ethernet.strip_tag(frame)
        if has_vlans(domain):
            self._count_in(device, frame)
            return self._from_member(domain, device, frame, now)
        self._count_in(device, untagged)
        # A port of a segment without VLANs has one tag taken off, which is forgotten; RFC 7348, section 6.1.
        return self._switch(domain, device, Frame(untagged), now)

    def from_underlay(self, packet: bytes, now: float) -> Outcome:
        """Switch what arrived on the underlay device: a whole Ethernet frame.

        Left to the host (``ours`` False) is what is not for us (arrival.py).
        """
        outer = read_outer(packet)
        if outer is None or not self._arrival.is_ours(outer):
            return LEFT_TO_HOST
        if reason := self._arrival.unfit(outer):
            return self._end((), reason)
        tunnel, frame = self._arrival.tunnel_of(outer), ecn.taken_out(outer.frame, outer.ecn)
        if tunnel is None or frame is None:
            raise AssertionError("these have a reason")
        domain, place = self._members.domains[tunnel.bridge], Behind(tunnel.name, outer.src)
        self._count_in(place, frame)
        if has_vlans(domain):
            return self._from_member(domain, place, frame, now)
        return self._switch(domain, place, Frame(frame), now)

    def _from_member(self, domain: Domain, place: Place, data: bytes, now: float) -> Outcome:
        """Find a frame's VLAN, or drop it if the member it came from is not in it."""
        frame = vlans.take_in(self._members.vlans(place), data)
        if frame is None:
            return self._end((), VLAN_FILTERED)
        if isinstance(domain, Bridge) and _dst(frame.data).startswith(LINK_LOCAL_PREFIX) and not domain.forward_bpdu:
            return self._end((), LINK_LOCAL)
        return self._switch(domain, place, frame, now)

    # ---- inside a segment or a bridge ----

    def _switch(self, domain: Domain, place: Place, frame: Frame, now: float) -> Outcome:
        """Learn from a frame, and send it to the one place of its destination, or everywhere."""
        refused = self._refused(domain, place, frame) if isinstance(domain, Segment) else None
        if refused is not None:
            return self._end((), refused)
        if bound := self._fdb.learn(domain, (frame.vlan, _src(frame.data)), place, now):
            self._traffic(bound).unlearned += 1
        if reply := self._answer(domain, place, frame):
            return reply
        there = self._fdb.find(domain, (frame.vlan, _dst(frame.data)), now)
        if there is not None:
            return self._forward(place, there, frame)
        if isinstance(domain, Segment) and self._is_storm(domain, place, now):
            return self._end((), STORM)
        return self._flood(domain, member(place), frame)

    def _refused(self, segment: Segment, place: Place, frame: Frame) -> DropReason | None:
        """Return why a segment takes no such frame; a bridge forwards frames with any source, as Open vSwitch does."""
        src = _src(frame.data)
        if src == ZERO or is_group(src):
            return BAD_SOURCE
        if ethernet.has_tag(frame.data) and not segment.inner_vlan:
            return VLAN_TAG
        sources = self._members.ports[place].sources if isinstance(place, str) else None
        # A second tag hides nothing: the kernel holds it beside the frame.
        return None if sources is None or security.may_leave(sources, ethernet.strip_tag(frame.data)) else SPOOFED

    def _answer(self, domain: Domain, place: Place, frame: Frame) -> Outcome | None:
        """Answer a port's question for the MAC of an address that is known here."""
        if not isinstance(place, str) or not isinstance(domain, Segment) or frame.vlan:
            return None
        reply = answers.answer(self._neighbours[domain.name], frame.data)
        return self._send([(place, reply)]) if reply else None

    def _forward(self, place: Place, there: Place, frame: Frame) -> Outcome:
        """Send known unicast to its one place, or tell the port it came from that it does not fit the way there."""
        if member(there) == member(place):
            return self._end((), SAME_PORT if isinstance(place, str) else SPLIT_HORIZON)
        tagged = vlans.give_out(self._members.vlans(there), frame)
        if tagged is None:
            return self._end((), VLAN_FILTERED)
        if isinstance(place, str) and isinstance(there, Behind) and not self._fits_path(there, frame, tagged):
            return self._too_big(place, there.remote, frame)
        return self._send([(there, tagged)])

    def _is_storm(self, segment: Segment, place: Place, now: float) -> bool:
        """Tell whether a frame to be flooded is one too many."""
        own = self._members.ports[place].storm_control if isinstance(place, str) else None
        of_place, of_all = own or segment.storm_control, segment.storm_control_total
        admit = self._buckets.admit
        if admit((segment.name, place), of_place, now) and admit(segment.name, of_all, now):
            return False
        self._traffic(place).suppressed += 1
        return True

    def _flood(self, domain: Domain, source: str, frame: Frame) -> Outcome:
        """Send a copy to every other member that is in the frame's VLAN."""
        copies = []
        for place in self._members.places(domain):
            tagged = None if member(place) == source else vlans.give_out(self._members.vlans(place), frame)
            if tagged is not None:
                copies.append((place, tagged))
        return self._send(copies)

    # ---- out ----

    def _send(self, copies: list[tuple[Place, bytes]]) -> Outcome:
        """Let the copies go but those that do not fit: a VTEP never fragments (RFC 7348, section 4.3)."""
        sent: list[Copy] = []
        too_big = False
        for place, frame in copies:
            if isinstance(place, str):
                sent.append(ToPort(place, frame))
                continue
            tunnel = self._members.tunnels[place.tunnel]
            if self._fits(tunnel, place.remote, frame):
                sent.append(ToUnderlay(place.tunnel, place.remote, tunnel.vni_out, frame))
            else:
                too_big = True
        if too_big:
            return self._end(tuple(sent), TOO_BIG)
        return self._end(tuple(sent), None if sent else NO_DESTINATION)

    def _fits(self, tunnel: Tunnel, remote: IPAddress, frame: bytes) -> bool:
        """Tell whether the wrapped frame fits; of bridges' tunnels the kernel knows, on the route it finds."""
        of_bridge = isinstance(self._members.domains[tunnel.bridge], Bridge)
        return of_bridge or len(frame) + vxlan.overhead(remote) <= self._mtu

    def _fits_path(self, there: Behind, frame: Frame, tagged: bytes) -> bool:
        """Tell whether known unicast fits; of bridges' tunnels this is known of what is wrapped in place."""
        tunnel = self._members.tunnels[there.tunnel]
        if isinstance(self._members.domains[tunnel.bridge], Segment):
            return self._fits(tunnel, there.remote, tagged)
        untagged_ip = frame.tag.vid == 0 and int.from_bytes(tagged[12:14], "big") in {ethernet.IPV4, ethernet.IPV6}
        in_place = untagged_ip and tunnel.ttl > 0 and tunnel.tos is not None and not tunnel.csum
        return not (in_place and tunnel.df) or len(tagged) + vxlan.overhead(there.remote) <= self._mtu

    def _too_big(self, port: str, remote: IPAddress, frame: Frame) -> Outcome:
        """Drop what is too large for the path, and tell the port how large its IP packets may be."""
        error = toobig.tell(frame.data, self._mtu - vxlan.overhead(remote) - ethernet.HEADER_LENGTH)
        back = None if error is None else vlans.give_out(self._members.vlans(port), frame._replace(data=error))
        return self._end((ToPort(port, back),) if back else (), TOO_BIG)

    def outer(self, copy: ToUnderlay) -> bytes:
        """Return the outer IP packet of this copy; its Ethernet header is up to the host's routes and neighbours.

        ValueError for a tunnel without a local address: the route to the remote chooses one.
        """
        tunnel = self._members.tunnels[copy.tunnel]
        local = next((a for a in self._members.locals(tunnel) if a and a.version == copy.remote.version), None)
        if local is None:
            raise ValueError(f"tunnel {tunnel.name} sends from whatever address the route to {copy.remote} prefers")
        header = vxlan.Header(ttl=tunnel.ttl, tos=tunnel.tos, df=tunnel.df, csum=tunnel.csum)
        return vxlan.encapsulate(
            copy.frame, vni=copy.vni, src=local, dst=copy.remote, dst_port=tunnel.dstport, header=header
        )

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
        self._fdb.sweep(now)

    def fdb(self) -> tuple[FdbRow, ...]:
        """Return every entry that is held, those that expired since the last sweep included, by segment."""
        return tuple(self._fdb.rows())


def _dst(frame: bytes) -> str:
    return format_mac(frame[0:6])


def _src(frame: bytes) -> str:
    return format_mac(frame[6:12])
