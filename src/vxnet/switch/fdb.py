# SPDX-License-Identifier: Apache-2.0
"""The FDB: where MACs are, as the file says or as frames have taught; how it is taught, asked, and forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vxnet.model import IPAddress, Segment
from vxnet.packet.mac import is_group
from vxnet.switch.duplicates import Moves
from vxnet.switch.outcome import Behind, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vxnet.model import FdbEntry
    from vxnet.switch.members import Domain

Key = tuple[int, str]
"""VLAN (0 in a segment) and MAC: what a table is asked for."""


class Entry(msgspec.Struct, frozen=True):
    """Where a MAC is, and when it was last seen there; None: static."""

    place: Place
    last_seen: float | None


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


class Fdb:
    """A table for each domain, by its name, and what is known of MACs that have moved."""

    def __init__(self, domains: Iterable[Domain], static: Iterable[FdbEntry]) -> None:
        """Begin with the static entries. KeyError if the segment of one is not there."""
        self._domains = tuple(domains)
        self.tables: dict[str, dict[Key, Entry]] = {domain.name: {} for domain in self._domains}
        self.moves = Moves[Place]()
        for entry in static:
            place = entry.port or (Behind(entry.segment, entry.remote) if entry.remote else None)
            if place is not None:
                self.tables[entry.segment][0, entry.mac] = Entry(place, None)

    def learn(self, domain: Domain, key: Key, place: Place, now: float) -> Place | None:
        """Learn that a MAC is at ``place``.

        Returns None, or the place that may not teach it: whose `unlearned` counts the frame.
        """
        table = self.tables[domain.name]
        old = table.get(key)
        if is_group(key[1]) or (isinstance(domain, Segment) and not domain.learning):
            return None
        if old is not None and old.last_seen is None:
            return None
        # An entry that has expired but was not swept yet still stands: it is refreshed, or moves, like any other.
        if old is None or old.place != place:
            if self._has_taught_all(domain, place):
                return place
            max_moves = domain.max_moves if isinstance(domain, Segment) else 0
            may = self.moves.allow((domain.name, key), old.place if old else None, place, max_moves, now)
            if may is None or (old is not None and old.place == may):
                return place
            place = may
            if self._has_taught_all(domain, place):
                return place
        table[key] = Entry(place, now)
        return None

    def _has_taught_all(self, domain: Domain, place: Place) -> bool:
        table = self.tables[domain.name].values()
        return sum(entry.place == place and entry.last_seen is not None for entry in table) >= domain.maxaddress

    def find(self, domain: Domain, key: Key, now: float) -> Place | None:
        """Return where the destination is, or None for BUM: a group, or a MAC that is unknown or has expired."""
        entry = self.tables[domain.name].get(key)
        if is_group(key[1]) or entry is None or _expired(domain, entry, now):
            return None
        return entry.place

    def sweep(self, now: float) -> None:
        """Forget the learned entries that have expired."""
        for domain in self._domains:
            table = self.tables[domain.name]
            self.tables[domain.name] = {key: entry for key, entry in table.items() if not _expired(domain, entry, now)}

    def rows(self) -> Iterator[FdbRow]:
        """Every entry that is held, those that expired since the last sweep included, by domain."""
        for name, table in self.tables.items():
            for (vlan, mac), entry in table.items():
                yield FdbRow(
                    segment=name,
                    vlan=vlan,
                    mac=mac,
                    place=entry.place,
                    state="static" if entry.last_seen is None else "learned",
                    last_seen=entry.last_seen,
                )


def _expired(domain: Domain, entry: Entry, now: float) -> bool:
    return entry.last_seen is not None and domain.ageing > 0 and now - entry.last_seen >= domain.ageing
