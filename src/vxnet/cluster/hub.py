# SPDX-License-Identifier: Apache-2.0
"""Who has to be told what: every change goes to the hosts it concerns, and to nobody else.

    edits of one transaction
       |  1. which networks are concerned, and of each: all of it, or some ports
       |  2. which hosts: those with ports in the network now, and those that had some
       v  3. for each of them that listens: what the segment or the port is now
    lines in the queue of each stream

What a message costs is a matter of the hosts in its segment, never of the cloud. For streams that were cut, the
networks concerned by each revision are remembered for a while: who was away is told all of those, as they are now.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

from vxnet.cluster import view
from vxnet.cluster.concern import ALL, Attendance, concerned
from vxnet.cluster.messages import Audit, PortGone, PortPut, SegmentGone, SegmentPut, Snapshot, Tick, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.records import Network
    from vxnet.cluster.replica import Edit, Replica

HISTORY: Final = 50_000
"""How many revisions that concerned some network are remembered."""

BACKLOG: Final = 100_000
"""How many lines may wait for an agent that does not read; then it is cut off, and comes back for what it missed."""


class Stream:
    """The lines for one agent. ``ended``: no more will come."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._lines: deque[bytes] = deque()
        self._some = asyncio.Event()
        self.ended = False

    def put(self, line: bytes) -> None:
        """Add a line, or end the stream if nobody reads."""
        if len(self._lines) >= BACKLOG:
            self.end()
            return
        self._lines.append(line)
        self._some.set()

    def end(self) -> None:
        """Let the reader end once it has read what there is."""
        self.ended = True
        self._some.set()

    async def take(self, patience: float) -> bytes:
        """Return all lines that wait, or none after ``patience`` seconds without any."""
        if not self._lines and not self.ended:
            try:
                async with asyncio.timeout(patience):
                    await self._some.wait()
            except TimeoutError:
                return b""
        lines = b"".join(self._lines)
        self._lines.clear()
        if not self.ended:
            self._some.clear()
        return lines


class Hub:
    """The streams of this server, an observer of its cluster."""

    def __init__(self, replica: Replica) -> None:
        self._streams: defaultdict[str, set[Stream]] = defaultdict(set)
        self.reloaded(replica)

    def reloaded(self, replica: Replica) -> None:
        """Begin anew: whoever listens comes back and is told everything."""
        self._replica = replica
        self._history: deque[tuple[int, frozenset[str]]] = deque()
        self._floor = replica.revision
        self._attendance = Attendance(replica.ports)
        for stream in tuple(self.streams):
            stream.end()

    @property
    def streams(self) -> Iterator[Stream]:
        """All that are open."""
        return (stream for streams in self._streams.values() for stream in streams)

    # ---- streams come and go ----

    def join(self, host: str, incarnation: str, after: int) -> Stream:
        """Open the stream of a host that has everything up to revision ``after`` of a store's ``incarnation``."""
        stream = Stream(host)
        for line in self._missed(host, incarnation, after):
            stream.put(line)
        self._streams[host].add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Close it."""
        stream.end()
        self._streams[stream.host].discard(stream)
        if not self._streams[stream.host]:
            del self._streams[stream.host]

    def audit(self, question: str) -> set[str]:
        """Ask every agent that listens what its kernel holds. Return the hosts that were asked."""
        line = encode(Audit(question))
        for stream in self.streams:
            stream.put(line)
        return set(self._streams)

    def tick(self) -> bytes:
        """Return the line that says how far everything has been told."""
        return encode(Tick(self._replica.revision))

    def _missed(self, host: str, incarnation: str, after: int) -> Iterator[bytes]:
        replica = self._replica
        part = view.networks_of(replica, host)
        if incarnation != replica.incarnation or not self._floor <= after <= replica.revision:
            networks = sorted(part)
            segments = tuple(view.segment(replica, self._network(network), host) for network in networks)
            yield encode(Snapshot(replica.incarnation, replica.revision, segments))
            return
        concerned = frozenset[str]().union(*(networks for revision, networks in self._history if revision > after))
        for network in sorted(concerned):
            if network in part:
                yield encode(SegmentPut(replica.revision, view.segment(replica, self._network(network), host)))
            else:
                yield encode(SegmentGone(replica.revision, network))
        yield self.tick()

    # ---- changes ----

    def changed(self, revision: int, edits: list[Edit]) -> None:
        """Tell the hosts that this transaction concerns."""
        moved = self._attendance.follow(edits)
        networks = concerned(self._replica, edits)
        if networks:
            self._remember(revision, frozenset(networks))
        for network, ports in networks.items():
            gone = {host for place, host in moved if place == network}
            for host in (self._attendance.hosts(network) | gone) & self._streams.keys():
                # Who has just joined knows nothing of the segment yet.
                for line in self._lines(revision, network, host, ALL if (network, host) in moved else ports):
                    for stream in self._streams[host]:
                        stream.put(line)

    def _lines(self, revision: int, network: str, host: str, ports: set[str] | None) -> Iterator[bytes]:
        """Yield what is so now, of a segment or of some of its ports."""
        if host not in self._attendance.hosts(network):
            yield encode(SegmentGone(revision, network))
        elif ports is ALL:
            yield encode(SegmentPut(revision, view.segment(self._replica, self._network(network), host)))
        else:
            for name in sorted(ports):
                port = self._replica.ports.get(name)
                seen = view.port_at(self._replica, port, host) if port else None
                yield encode(PortPut(revision, network, seen) if seen else PortGone(revision, network, name))

    def _network(self, name: str) -> Network:
        """Return a network in which there are ports, and which is there for that reason."""
        network = self._replica.networks.get(name)
        if network is None:
            raise KeyError(name)
        return network

    def _remember(self, revision: int, networks: frozenset[str]) -> None:
        self._history.append((revision, networks))
        if len(self._history) > HISTORY:
            self._floor = self._history.popleft()[0]
