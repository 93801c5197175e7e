# SPDX-License-Identifier: Apache-2.0
"""Carrying a plan out: each change becomes writes to maps and requests to netlink.

Making something that is there already, whole or half, repairs it: every step can be done again. What is in the kernel
when a Datapath is opened is taken over with its FDB, its counters and its traffic.
"""

from __future__ import annotations

import logging
import time
from itertools import groupby, islice
from typing import TYPE_CHECKING

from vxnet.datapath import (
    bfd,
    bridges,
    duplicates,
    leftovers,
    listening,
    neighbours,
    ports,
    probe,
    room,
    segments,
    static,
    tunnels,
    vtep,
)
from vxnet.datapath import devices as net
from vxnet.datapath.handover import take_over
from vxnet.datapath.kernel import require_root
from vxnet.datapath.loops import Loops
from vxnet.datapath.orphans import remove_orphans
from vxnet.datapath.parts import Parts
from vxnet.datapath.sweep import sweep
from vxnet.datapath.voice import Voice
from vxnet.errors import KernelError, MapFullError, VxnetError
from vxnet.model import Bfd, Bridge, FdbEntry, Neighbour, Port, Probe, Segment, Tunnel, Vtep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from vxnet.datapath.devices import Devices
    from vxnet.datapath.duplicates import Duplicate
    from vxnet.datapath.loops import LoopEvent
    from vxnet.datapath.maps import Maps
    from vxnet.plan import Change

log = logging.getLogger("vxnetd")


class Datapath:
    """The switch in the kernel, to be changed. One at a time for each run directory."""

    def __init__(self, run_dir: Path) -> None:
        """Take over what is there, without what a killed daemon left half done.

        HostError without root, or if a version is there that means other things by the same (handover.py).
        """
        require_root()
        self._run_dir = run_dir
        found = take_over(run_dir)
        self._parts = Parts(run_dir, *found) if found else None
        if self._parts:
            leftovers.clear(self._parts)
        self._loops = Loops()
        self._present: Devices | None = None
        self._from_others = self._recount = self._full = False
        self._cramped = ""  # why no room could be made for more to be learned
        self._coming: tuple[Change, ...] = ()

    def replace_programs(self) -> None:
        """Put this build's programs in the place of those that are there, without losing a frame."""
        if self._parts:
            vtep.replace_programs(self._parts)

    @property
    def maps(self) -> Maps | None:
        """The maps, or None while nothing is there."""
        return self._parts.maps if self._parts else None

    def apply(
        self,
        changes: Iterable[Change],
        progress: Callable[[tuple[Change, ...]], None] = lambda _: None,
        failed: Callable[[Change, VxnetError | OSError], None] | None = None,
        present: Devices | None = None,
    ) -> None:
        """Make the changes in their order, telling ``progress`` of those that are made together before they are.

        What was done before an error stays done; the next plan goes on from there. With ``failed``, an error is told
        to it and the rest goes on. ``present``: the devices, if somebody has just read them all; each that is attached
        is looked at once more.
        """
        changes = self._coming = tuple(changes)
        orphans = False
        self._recount = False
        self._present, self._from_others = present, present is not None
        try:
            for steps in _together(changes):
                progress(steps)
                kind, is_removal = steps[0].kind, steps[0].action == "remove"
                if orphans and not is_removal:
                    # Before slots and names are given to others, who would inherit what was learned there.
                    self._clean_up()
                    orphans = False
                self._carry_out(steps, failed)
                orphans |= is_removal and kind in _WITH_SLOTS
                # What was learned behind a tunnel's old remote is no more true.
                self._recount |= kind == "tunnel" and not is_removal
        finally:
            if orphans or self._recount:
                self._clean_up()
            if self._parts:
                listening.follow(self._parts, routes=False)
                self._parts.touch()
            self._let_go()

    def sweep(self, now: int) -> int:
        """Free what has aged out of the FDB by ``now`` (ns of CLOCK_MONOTONIC); return how many entries.

        Where more than half of what can be learned is, room is made for more, if there is memory for it.
        """
        if not self._parts:
            return 0
        swept = sweep(self._parts.maps, self._parts.slots, now)
        try:
            room.make_for_learned(self._parts, {"fdb": swept.learned, "learned": swept.places})
        except KernelError as error:
            # Nobody has asked for it, and all goes on as it is: with what is flooded that might be learned.
            if str(error) != self._cramped:
                log.warning("no room for more MACs can be made: %s", error)
            self._cramped = str(error)
        else:
            self._cramped = ""
        self._tell_full(swept.learned)
        return swept.removed

    def _tell_full(self, learned: int) -> None:
        """Say once that no more can be learned, and again only after there was some room: entries come and go."""
        if learned >= room.MOST_LEARNED and not self._full:
            what = "the FDB is full: %d MACs are learned; others are flooded. Lower ageing or maxaddress"
            log.warning(what, learned)
        self._full = learned >= (0.9 * room.MOST_LEARNED if self._full else room.MOST_LEARNED)

    def duplicates(self) -> tuple[Duplicate, ...]:
        """Return the MACs that are in two places at once."""
        if self._parts is None:
            return ()
        return duplicates.duplicates(self._parts.maps, self._parts.slots, time.monotonic_ns())

    def loops(self) -> list[LoopEvent]:
        """Cut off ports that are in a loop, let in those that are not any more; return which."""
        return self._loops.look(self._parts, time.monotonic_ns()) if self._parts else []

    def touch(self) -> None:
        """A route, a next hop or an address has changed: void every cached flow."""
        if self._parts:
            listening.follow(self._parts, routes=True)
            self._parts.touch()

    def voice(self, old: Voice | None) -> Voice | None:
        """Return what the daemon speaks with in the management VNI: ``old``, if that is still it; None without one."""
        member = self._parts.slots.bfd() if self._parts else None
        if self._parts is None or member is None:
            return None
        return old if old and old.is_of(self._parts, member) else Voice(self._parts, member)

    def _clean_up(self) -> None:
        if self._parts:
            self._parts.clean_up()
        self.sweep(time.monotonic_ns())

    def _carry_out(
        self,
        steps: tuple[Change, ...],
        failed: Callable[[Change, VxnetError | OSError], None] | None,
    ) -> None:
        """Make steps that are made together; where that fails, one by one, so that the right one is said to fail."""
        try:
            parts = self._there()
            try:
                self._do(parts, steps)
            except MapFullError as full:
                room.make(parts, {full.name: 2 * parts.maps.capacity(full.name)})
                self._do(parts, steps)
        except (VxnetError, OSError) as error:
            if len(steps) > 1:
                for change in steps:
                    self._carry_out((change,), failed)
            elif failed is None:
                raise
            else:
                failed(steps[0], error)

    def _do(self, parts: Parts, steps: tuple[Change, ...]) -> None:
        """Make or remove segments together, or one thing of another kind."""
        all_of, make = (segments.remove, _remove) if steps[0].action == "remove" else (segments.add, self._make)
        if isinstance(one := steps[0].value, Segment):
            all_of(parts, [change.value for change in steps if isinstance(change.value, Segment)])
        else:
            make(parts, one)

    def _make(self, parts: Parts, value: _Single) -> None:
        match value:
            case Vtep():
                vtep.add(parts, value)
            case Bfd():
                bfd.add(parts, value)
            case Probe():
                probe.put(parts.maps, value)
            case Bridge():
                bridges.add(parts, value)
            case Tunnel():
                tunnels.add(parts, value)
            case Port():
                ports.add(parts, value, self._devices(value.device))
            case FdbEntry():
                # Where one was learned, which its place has not taught any more: all of the FDB is read to count.
                self._recount |= static.add(parts, value)
            case Neighbour():
                neighbours.add(parts.maps, parts.slots, value)

    def _devices(self, name: str) -> Devices:
        """Return the devices, which are read once for all ports of a plan; the one of this name as it is now."""
        if self._present is None:
            self._present = net.devices()
        elif self._from_others:
            self._present = self._present.updated(name, net.named(name))
        return self._present

    def _there(self) -> Parts:
        """Return the switch, with room for what comes; a new one after what is left of an earlier one is gone."""
        if self._parts is None:
            remove_orphans(self._run_dir)
            self._parts = Parts.new(self._run_dir, room.sizes(room.needed(None, self._coming)))
        elif self._coming:
            room.make(self._parts, room.needed(self._parts.slots, self._coming))
        self._coming = ()
        return self._parts

    def _let_go(self) -> None:
        """Forget a switch with nothing in it, and nothing of it is left in the kernel."""
        if self._parts and not self._parts.in_use:
            self._parts.close()
            self._parts = None
            remove_orphans(self._run_dir)


def _remove(parts: Parts, value: _Single) -> None:
    match value:
        case FdbEntry():
            static.remove(parts, value)
        case Neighbour():
            neighbours.remove(parts.maps, parts.slots, value)
        case Port():
            ports.remove(parts, value)
        case Tunnel():
            tunnels.remove(parts, value)
        case Bfd():
            bfd.remove(parts)
        case Probe():
            probe.put(parts.maps, None)
        case Bridge():
            bridges.remove(parts, value)
        case Vtep():
            vtep.remove(parts)


def _together(changes: Iterable[Change]) -> Iterator[tuple[Change, ...]]:
    """Yield the changes in their order, as many segments together as come or go one after another."""

    def sort(change: Change) -> tuple[str, bool]:
        return change.kind, change.action == "remove"

    for (kind, _), run in groupby(changes, sort):
        if kind != "segment":
            yield from ((change,) for change in run)
            continue
        # The VXLAN device keeps its VNIs in a list, and looks for the place of a new one from the highest down.
        in_order = iter(sorted(run, key=lambda change: change.value.vni if isinstance(change.value, Segment) else 0))
        while steps := tuple(islice(in_order, _MANY)):
            yield steps


_Single = Vtep | Bfd | Probe | Bridge | Tunnel | Port | FdbEntry | Neighbour

_MANY = 4096
"""Segments that are made together: as many as leave somebody who waits to see how far it is."""

_WITH_SLOTS = frozenset({"port", "tunnel", "segment", "bridge"})
