# SPDX-License-Identifier: Apache-2.0
"""Who sits in which slot: the domains and members of the maps, by the names that people use.

A segment is one domain and one tunnel member; a port is one member. Slots are given lowest first, so that the maps'
used part stays short; `VtepValue.domains_high` and `members_high` say how far it has ever reached. Slot 0 is never
used: a zero in the maps means nobody.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath.layout import MEMBER_FREE, MEMBER_PORT, MEMBER_TUNNEL, Domain, Member, VtepValue
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps


class Slots:
    """The domains and members in the maps, read once and kept equal to the maps by every change through here."""

    def __init__(self, maps: Maps) -> None:
        self._maps = maps
        self._lowest = {"domains": 1, "members": 1}
        self.domains: dict[int, Domain] = {}
        self.members: dict[int, Member] = {}
        vtep = maps.vtep.get(c_uint32(0))
        for slot in range(1, vtep.domains_high if vtep else 0):
            domain = maps.domains.get(c_uint32(slot))
            if domain and domain.used:
                self.domains[slot] = domain
        for slot in range(1, vtep.members_high if vtep else 0):
            member = maps.members.get(c_uint32(slot))
            if member and member.kind != MEMBER_FREE:
                self.members[slot] = member
        self._by_segment = {domain.name.decode(): slot for slot, domain in self.domains.items()}
        self._tunnels = {m.domain: slot for slot, m in self.members.items() if m.kind == MEMBER_TUNNEL}
        self._ports: dict[int, set[int]] = {}
        for slot, member in self.members.items():
            if member.kind == MEMBER_PORT:
                self._ports.setdefault(member.domain, set()).add(slot)
        self._by_device = {m.name.decode(): slot for slot, m in self.members.items() if m.kind == MEMBER_PORT}

    def domain_of(self, segment: str) -> int | None:
        """Return the domain of a segment by its name."""
        return self._by_segment.get(segment)

    def tunnel_of(self, domain: int) -> int | None:
        """Return the tunnel member of a domain."""
        return self._tunnels.get(domain)

    def port(self, device: str) -> int | None:
        """Return the member of a port by its device's name."""
        return self._by_device.get(device)

    def ports_of(self, domain: int) -> list[int]:
        """Return the ports of a domain, in the order of their slots."""
        return sorted(self._ports.get(domain, ()))

    def put_domain(self, slot: int | None, domain: Domain) -> int:
        """Write a domain into ``slot`` or a free one; return the slot."""
        slot = slot or self._take("domains", self.domains)
        self._maps.domains.put(c_uint32(slot), domain)
        self.domains[slot] = domain
        self._by_segment[domain.name.decode()] = slot
        return slot

    def put_member(self, slot: int | None, member: Member) -> int:
        """Write a member into ``slot`` or a free one, whose counters start from zero; return the slot."""
        if slot is None:
            slot = self._take("members", self.members)
            self._maps.traffic.clear(slot)
        self._maps.members.put(c_uint32(slot), member)
        self.members[slot] = member
        if member.kind == MEMBER_PORT:
            self._by_device[member.name.decode()] = slot
            self._ports.setdefault(member.domain, set()).add(slot)
        else:
            self._tunnels[member.domain] = slot
        return slot

    def free_domain(self, slot: int) -> None:
        """Take a domain out of the map."""
        self._maps.domains.put(c_uint32(slot), Domain())
        self._by_segment.pop(self.domains.pop(slot).name.decode(), None)
        self._lowest["domains"] = min(self._lowest["domains"], slot)

    def free_member(self, slot: int) -> None:
        """Take a member out of the map."""
        self._maps.members.put(c_uint32(slot), Member())
        member = self.members.pop(slot)
        self._lowest["members"] = min(self._lowest["members"], slot)
        if member.kind == MEMBER_PORT:
            self._by_device.pop(member.name.decode(), None)
            self._ports[member.domain].discard(slot)
        else:
            self._tunnels.pop(member.domain, None)

    def _take(self, which: str, taken: dict[int, Domain] | dict[int, Member]) -> int:
        limit = self._maps.capacity(which)
        slot = next((s for s in range(self._lowest[which], limit) if s not in taken), None)
        if slot is None:
            message = f"no room for more {which}: the map holds {limit - 1}"
            raise KernelError(message)
        self._lowest[which] = slot + 1
        vtep = self._maps.vtep.get(c_uint32(0)) or VtepValue()
        if slot >= getattr(vtep, f"{which}_high"):
            setattr(vtep, f"{which}_high", slot + 1)
            self._maps.vtep.put(c_uint32(0), vtep)
        return slot
