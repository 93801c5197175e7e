# SPDX-License-Identifier: Apache-2.0
"""Ports that are in a loop: found by asking, cut off, and let in again when the loop is gone (rule 13; bpf/loop.h).

look, once a second
  |  1. which of the ports asked at the last look have heard themselves?     proof
  |  2. those are cut off; of two that are each other's way back, one
  |  3. those cut off that have not heard themselves for QUIET are not in a loop any more
  v  4. asked is who is cut off, and where MACs have moved to and fro        suspicion
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from vxnet.datapath.duplicates import name_of
from vxnet.datapath.kernel import ASK
from vxnet.datapath.layout import (
    DUPLICATE_TIME,
    FDB_STATIC,
    MEMBER_LOOP,
    MEMBER_PORT,
    Member,
    Place,
    Question,
    QuestionKey,
)
from vxnet.datapath.libbpf import testrun

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.parts import Parts

QUIET: Final = 10 * 10**9
"""Nanoseconds without a sign of the loop, and a port takes part again."""

FRAME: Final = bytes.fromhex("037678 6e6574 027678 6e6574 88b6 0000")
"""What a question begins with; its nonce comes next."""

_LENGTH = 60
_MOST = 256
"""Ports asked at one look."""

_TURNS = 3
"""Of two hosts with a port each in a loop, the one with the higher address hears itself so often before it cuts off."""


class LoopEvent(msgspec.Struct, frozen=True):
    """A port was found to be in a loop, through ``back`` (a port's device, or a remote); or, None, no more."""

    segment: str
    device: str
    back: str | None


class Loops:
    """When who was cut off heard himself last, and how often who was asked has heard himself at a stretch."""

    def __init__(self) -> None:
        self._heard: dict[int, int] = {}
        self._times: dict[int, int] = {}

    def look(self, parts: Parts, now: int) -> list[LoopEvent]:
        """Do all of the above, at ``now`` (ns of CLOCK_MONOTONIC)."""
        back = _answers(parts.maps)
        cut = {slot for slot, member in parts.slots.members.items() if member.flags & MEMBER_LOOP}
        self._heard = {slot: now if slot in back else self._heard.get(slot, now) for slot in cut}
        before = self._times.keys()
        self._times = {slot: self._times.get(slot, 0) + 1 for slot in back}
        events = []
        for slot in sorted(back.keys() - cut, reverse=True):
            if back[slot].member not in self._heard and self._is_its_turn(parts, slot, back[slot]):
                _set(parts, slot, MEMBER_LOOP)
                self._heard[slot] = now
                events.append(_event(parts, slot, name_of(back[slot], parts.slots)))
        for slot, heard in list(self._heard.items()):
            if now - heard >= QUIET:
                _set(parts, slot, 0)
                del self._heard[slot]
                events.append(_event(parts, slot, None))
        # Once more when it is over: the other host may have cut it.
        looped = ((before | back.keys()) - cut) & parts.slots.members.keys()
        for slot in looped:
            _forget(parts, slot)
        if events or looped:
            parts.touch()
        _ask(parts, self._heard.keys() | _suspects(parts, now))
        return events

    def _is_its_turn(self, parts: Parts, slot: int, back: Place) -> bool:
        """Tell whether it is this host that cuts, and not the other one, which would do it at the same moment."""
        through_tunnel = any(back.remote.raw)
        mine = not through_tunnel or bytes(parts.vtep.local) < bytes(back.remote)
        return mine or self._times[slot] >= _TURNS


def _answers(maps: Maps) -> dict[int, Place]:
    """Return where questions have come in again, by the port they were about, and take all questions back."""
    found = {}
    for key, question in list(maps.questions.items()):
        if question.back.member:
            found[question.member] = question.back
        maps.questions.remove(key)
    return found


def _ask(parts: Parts, ports: set[int]) -> None:
    there = [slot for slot in sorted(ports) if slot in parts.slots.members]
    for slot in there[:_MOST]:
        key = QuestionKey(secrets.randbits(64))
        parts.maps.questions.put(key, Question(slot, Place()))
        testrun.run(parts.program(ASK), (FRAME + bytes(key)).ljust(_LENGTH, b"\0"))


def _suspects(parts: Parts, now: int) -> set[int]:
    """Return the ports that MACs have moved from or to, and back, lately."""
    places = (
        place.member
        for _, value in parts.maps.moved.items()
        if value.moves > 1 and now - value.since < DUPLICATE_TIME
        for place in (value.home, value.other)
    )
    members = parts.slots.members
    return {slot for slot in places if members.get(slot, Member()).kind == MEMBER_PORT}


def _set(parts: Parts, slot: int, flag: int) -> None:
    member = parts.slots.members[slot]
    member.flags = member.flags & ~MEMBER_LOOP | flag
    parts.slots.put_members({slot: member})


def _forget(parts: Parts, slot: int) -> None:
    """Forget what was learned at a port, and where the loop has moved MACs to: their owners may be silent."""
    domain = parts.slots.members[slot].domain
    moved = {bytes(key) for key, _ in parts.maps.moved.items() if key.domain == domain}
    for key, value in list(parts.maps.fdb.items()):
        if (value.place.member == slot or bytes(key) in moved) and not value.flags & FDB_STATIC:
            parts.maps.fdb.remove(key)
    for key, record in list(parts.maps.moved.items()):
        if key.domain == domain and record.home.member == slot:
            parts.maps.moved.remove(key)


def _event(parts: Parts, slot: int, back: str | None) -> LoopEvent:
    member = parts.slots.members[slot]
    return LoopEvent(parts.slots.domains[member.domain].name.decode(), member.name.decode(), back)
