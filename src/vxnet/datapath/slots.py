# SPDX-License-Identifier: Apache-2.0
"""Who sits in which slot: the domains and members of the maps, by the names that people use.

A segment is one domain and one tunnel member of its name; a bridge is one domain, each of its tunnels one member; and a
port is one member. Slots are given lowest first, so that the maps' used part stays short; `State.domains_high` and
`members_high` say how far it has ever reached. Slot 0 is never used: a zero in the maps means nobody.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath.layout import MEMBER_FREE, MEMBER_PORT, MEMBER_TUNNEL, Domain, Member, State
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps

Kind = int
"""MEMBER_PORT or MEMBER_TUNNEL."""


class Slots:
    """The domains and members in the maps, read once and kept equal to the maps by every change through here."""

    def __init__(self, maps: Maps) -> None:
        self._maps = maps
        self._lowest = {"domains": 1, "members": 1}
        self.domains: dict[int, Domain] = {}
        self.members: dict[int, Member] = {}
        state = maps.state.get(c_uint32(0)) or State()
        for slot in range(1, state.domains_high):
            domain = maps.domains.get(c_uint32(slot))
            if domain and domain.used:
                self.domains[slot] = domain
        for slot in range(1, state.members_high):
            member = maps.members.get(c_uint32(slot))
            if member and member.kind != MEMBER_FREE:
                self.members[slot] = member
        self._by_name = {domain.name.decode(): slot for slot, domain in self.domains.items()}
        self._members_of: dict[Kind, dict[int, set[int]]] = {MEMBER_PORT: {}, MEMBER_TUNNEL: {}}
        self._named: dict[Kind, dict[str, int]] = {MEMBER_PORT: {}, MEMBER_TUNNEL: {}}
        for slot, member in self.members.items():
            self._note(slot, member)

    def _note(self, slot: int, member: Member) -> None:
        self._members_of[member.kind].setdefault(member.domain, set()).add(slot)
        self._named[member.kind][member.name.decode()] = slot

    def domain_of(self, name: str) -> int | None:
        """Return the domain of a segment or a bridge by its name."""
        return self._by_name.get(name)

    def port(self, device: str) -> int | None:
        """Return the member of a port by its device's name."""
        return self._named[MEMBER_PORT].get(device)

    def tunnel(self, name: str) -> int | None:
        """Return the member of a tunnel by its name, which for a segment's own is the segment's."""
        return self._named[MEMBER_TUNNEL].get(name)

    def ports_of(self, domain: int) -> list[int]:
        """Return the ports of a domain, in the order of their slots."""
        return sorted(self._members_of[MEMBER_PORT].get(domain, ()))

    def tunnels_of(self, domain: int) -> list[int]:
        """Return the tunnels of a domain, in the order of their slots."""
        return sorted(self._members_of[MEMBER_TUNNEL].get(domain, ()))

    def put_domain(self, slot: int | None, domain: Domain) -> int:
        """Write a domain into ``slot`` or a free one; return the slot."""
        slot = slot or self._take("domains", self.domains)
        self._maps.domains.put(c_uint32(slot), domain)
        self.domains[slot] = domain
        self._by_name[domain.name.decode()] = slot
        return slot

    def put_member(self, slot: int | None, member: Member) -> int:
        """Write a member into ``slot`` or a free one, whose counters start from zero; return the slot."""
        if slot is None:
            slot = self.reserve_member()
        self._maps.members.put(c_uint32(slot), member)
        self.members[slot] = member
        self._note(slot, member)
        return slot

    def reserve_member(self) -> int:
        """Return a free slot, its counters at zero; what belongs to a member may be written before the member is."""
        slot = self._take("members", self.members)
        self._maps.traffic.clear(slot)
        return slot

    def free_domain(self, slot: int) -> None:
        """Take a domain out of the map."""
        self._maps.domains.put(c_uint32(slot), Domain())
        self._by_name.pop(self.domains.pop(slot).name.decode(), None)
        self._lowest["domains"] = min(self._lowest["domains"], slot)

    def free_member(self, slot: int) -> None:
        """Take a member out of the map."""
        self._maps.members.put(c_uint32(slot), Member())
        member = self.members.pop(slot)
        self._lowest["members"] = min(self._lowest["members"], slot)
        self._members_of[member.kind][member.domain].discard(slot)
        self._named[member.kind].pop(member.name.decode(), None)

    def _take(self, which: str, taken: dict[int, Domain] | dict[int, Member]) -> int:
        limit = self._maps.capacity(which)
        slot = next((s for s in range(self._lowest[which], limit) if s not in taken), None)
        if slot is None:
            message = f"no room for more {which}: the map holds {limit - 1}"
            raise KernelError(message)
        self._lowest[which] = slot + 1
        state = self._maps.state.get(c_uint32(0)) or State()
        if slot >= getattr(state, f"{which}_high"):
            setattr(state, f"{which}_high", slot + 1)
            self._maps.state.put(c_uint32(0), state)
        return slot
