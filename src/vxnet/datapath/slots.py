# SPDX-License-Identifier: Apache-2.0
"""Who sits in which slot: the domains and members of the maps, by the names that people use.

A segment is one domain and one tunnel member of its name; a bridge is one domain, each of its tunnels one member; a
port is one member; so is the management VNI of BFD, in no domain. Slots are given lowest first, so that the maps' used
part stays short; `State.domains_high` and `members_high` say how far it has ever reached. Slot 0 is never used: a zero
in the maps means nobody.
"""

from __future__ import annotations

from ctypes import c_uint32
from itertools import chain, islice
from typing import TYPE_CHECKING

from vxnet.datapath.layout import (
    DOMAIN_BRIDGE,
    MEMBER_BFD,
    MEMBER_PORT,
    MEMBER_TUNNEL,
    SENDERS_ANYBODY,
    Domain,
    Member,
    State,
)
from vxnet.errors import MapFullError

if TYPE_CHECKING:
    from collections.abc import Iterable, KeysView, Mapping
    from collections.abc import Set as AbstractSet

    from vxnet.datapath.maps import Maps

Kind = int
"""One of `_KINDS`."""

_KINDS = (MEMBER_PORT, MEMBER_TUNNEL, MEMBER_BFD)

_AHEAD = 64
"""How many slots more are said to be in reach than are: saying it costs a write."""


class Occupied:
    """Who sits where; nobody at first."""

    def __init__(self) -> None:
        self.domains: dict[int, Domain] = {}
        self.members: dict[int, Member] = {}
        self._by_name: dict[str, int] = {}
        self._bridges: set[int] = set()
        self._with_list: dict[int, set[int]] = {}
        self._members_of: dict[Kind, dict[int, set[int]]] = {kind: {} for kind in _KINDS}
        self._named: dict[Kind, dict[str, int]] = {kind: {} for kind in _KINDS}

    def take_domain(self, slot: int, domain: Domain | None) -> None:
        """Let a slot be this domain's from now on; None: nobody's."""
        if old := self.domains.pop(slot, None):
            if self._by_name.get(name := old.name.decode()) == slot:
                del self._by_name[name]
            self._bridges.discard(slot)
        if domain:
            self.domains[slot] = domain
            self._by_name[domain.name.decode()] = slot
            if domain.flags & DOMAIN_BRIDGE:
                self._bridges.add(slot)

    def take_member(self, slot: int, member: Member | None) -> None:
        """Let a slot be this member's from now on; None: nobody's."""
        if old := self.members.pop(slot, None):
            named = self._named[old.kind]
            _discard(self._members_of[old.kind], old.domain, slot)
            if named.get(name := old.name.decode()) == slot:
                del named[name]
            _discard(self._with_list, old.senders, slot)
        if member:
            self.members[slot] = member
            self._members_of[member.kind].setdefault(member.domain, set()).add(slot)
            self._named[member.kind][member.name.decode()] = slot
            if member.senders != SENDERS_ANYBODY:
                self._with_list.setdefault(member.senders, set()).add(slot)

    def domain_of(self, name: str) -> int | None:
        """Return the domain of a segment or a bridge by its name."""
        return self._by_name.get(name)

    def port(self, device: str) -> int | None:
        """Return the member of a port by its device's name."""
        return self._named[MEMBER_PORT].get(device)

    def tunnel(self, name: str) -> int | None:
        """Return the member of a tunnel by its name, which for a segment's own is the segment's."""
        return self._named[MEMBER_TUNNEL].get(name)

    def bfd(self) -> int | None:
        """Return the member of the management VNI."""
        return next(iter(self._named[MEMBER_BFD].values()), None)

    @property
    def ports(self) -> list[int]:
        """All ports, in the order of their slots."""
        return sorted(chain.from_iterable(self._members_of[MEMBER_PORT].values()))

    def ports_of(self, domain: int) -> list[int]:
        """Return the ports of a domain, in the order of their slots."""
        return sorted(self._members_of[MEMBER_PORT].get(domain, ()))

    def tunnels_of(self, domain: int) -> list[int]:
        """Return the tunnels of a domain, in the order of their slots."""
        return sorted(self._members_of[MEMBER_TUNNEL].get(domain, ()))

    @property
    def lists(self) -> KeysView[int]:
        """The lists of senders that members have."""
        return self._with_list.keys()

    def with_list(self, number: int) -> Iterable[int]:
        """Return the members that have a list of senders."""
        return self._with_list.get(number, ())

    @property
    def bridges(self) -> list[int]:
        """The domains that are bridges, in the order of their slots."""
        return sorted(self._bridges)

    @property
    def tunnels_of_bridges(self) -> list[int]:
        """The tunnels that are no segment's, in the order of their slots: also of a bridge that is gone."""
        of = self._members_of[MEMBER_TUNNEL]
        return sorted(chain.from_iterable(of[domain] for domain in of.keys() - (self.domains.keys() - self._bridges)))


class Slots(Occupied):
    """The domains and members in the maps, read once and kept equal to the maps by every change through here."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        self._maps = maps
        self._lowest = {"domains": 1, "members": 1}
        state = maps.state.get(c_uint32(0)) or State()
        for slot, domain in maps.domains.filled(state.domains_high):
            self.take_domain(slot, domain)
        for slot, member in maps.members.filled(state.members_high):
            self.take_member(slot, member)

    def put_domains(self, domains: Mapping[int, Domain]) -> None:
        """Write domains into their slots, all that were free in one go."""
        self._settle("domains", domains.keys() - self.domains.keys())
        self._maps.domains.put_all((c_uint32(slot), domain) for slot, domain in domains.items())
        for slot, domain in domains.items():
            self.take_domain(slot, domain)

    def put_members(self, members: Mapping[int, Member]) -> None:
        """Write members into their slots, all that were free in one go."""
        self._settle("members", members.keys() - self.members.keys())
        self._maps.members.put_all((c_uint32(slot), member) for slot, member in members.items())
        for slot, member in members.items():
            self.take_member(slot, member)

    def free_domains(self, count: int) -> list[int]:
        """Return so many free slots. MapFullError if there are not as many."""
        return self._free("domains", self.domains, count)

    def free_members(self, count: int) -> list[int]:
        """Return so many free slots, their counters at zero: what belongs to a member may be written before it is.

        MapFullError if there are not as many.
        """
        slots = self._free("members", self.members, count)
        self._maps.traffic.clear(slots)
        return slots

    def free_domain(self, slot: int) -> None:
        """Take a domain out of the map."""
        self._maps.domains.put(c_uint32(slot), Domain())
        self.take_domain(slot, None)
        self._lowest["domains"] = min(self._lowest["domains"], slot)

    def free_member(self, slot: int) -> None:
        """Take a member out of the map."""
        self._maps.members.put(c_uint32(slot), Member())
        self.take_member(slot, None)
        self._lowest["members"] = min(self._lowest["members"], slot)

    def _free(self, which: str, taken: Mapping[int, Domain | Member], count: int) -> list[int]:
        limit = self._maps.capacity(which)
        free = (slot for slot in range(self._lowest[which], limit) if slot not in taken)
        slots = list(islice(free, count))
        if len(slots) < count:
            raise MapFullError(which, limit - 1)
        if slots:
            self._reach(which, slots[-1] + 1, limit)
        return slots

    def _settle(self, which: str, new: AbstractSet[int]) -> None:
        """Remember from where on to look for free slots: they are given lowest first."""
        if new:
            self._lowest[which] = max(new) + 1

    def _reach(self, which: str, high: int, limit: int) -> None:
        """Let readers know how far to read. It is said for some more at once, which costs them nothing."""
        state = self._maps.state.get(c_uint32(0)) or State()
        if high > getattr(state, f"{which}_high"):
            setattr(state, f"{which}_high", min(limit, high + _AHEAD))
            self._maps.state.put(c_uint32(0), state)


def _discard(of: dict[int, set[int]], key: int, slot: int) -> None:
    """Take a slot out of one of the sets, and the set away if it is empty then."""
    if slots := of.get(key):
        slots.discard(slot)
        if not slots:
            del of[key]
