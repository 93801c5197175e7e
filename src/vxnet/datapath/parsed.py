# SPDX-License-Identifier: Apache-2.0
"""The maps that say most of what there is, parsed; from one look to the next only what is another one.

A daemon looks every ten seconds, and after each change, at what may be 100 000 segments.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from vxnet.datapath.layout import Domain, FloodKey, Member
from vxnet.datapath.senders import Lists
from vxnet.datapath.slots import Occupied
from vxnet.datapath.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.datapath.maps import Maps

_MAPS: Final = ("domains", "members", "flood", "arrivals", "senders")


class Parsed:
    """Who sits where and who may send to whom, as far as it has been followed: nothing at first."""

    def __init__(self) -> None:
        self.slots = Occupied()
        self.senders = Lists()
        self._watched = {name: Watched() for name in _MAPS}

    def follow(self, maps: Maps) -> set[int]:
        """Take in what is another one than the last time; return the domains that any of it is about."""
        found = {name: watched.look(getattr(maps, name)) for name, watched in self._watched.items()}
        members = {_number(key) for key in found["members"].keys}
        concerned = members | {_number(value) for value in found["arrivals"].values}
        domains = {_number(key) for key in found["domains"].keys}
        domains |= {FloodKey.from_buffer_copy(key).domain for key in found["flood"].keys}
        lists = {self.senders.drop(key) for key, _ in found["senders"].gone}
        lists |= {self.senders.take(key) for key, _ in found["senders"].come}
        domains |= self._domains_of(concerned)
        for key, value in found["domains"].come:
            self.slots.take_domain(_number(key), Domain.from_buffer_copy(value) if any(value) else None)
        for key, value in found["members"].come:
            self.slots.take_member(_number(key), Member.from_buffer_copy(value) if any(value) else None)
        concerned |= {member for number in lists for member in self.slots.with_list(number)}
        return domains | self._domains_of(concerned)

    def _domains_of(self, members: Iterable[int]) -> set[int]:
        return {member.domain for slot in members if (member := self.slots.members.get(slot))}


def _number(raw: bytes) -> int:
    """Return a u32 as it lies in memory."""
    return int.from_bytes(raw, sys.byteorder)
