# SPDX-License-Identifier: Apache-2.0
"""Carrying a plan out: each change becomes writes to maps and requests to netlink.

Making something that is there already, whole or half, repairs it: every step can be done again. What is in the kernel
when a Datapath is opened is taken over with its FDB, its counters and its traffic.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vxnet.datapath import bridges, leftovers, listening, neighbours, ports, segments, static, tunnels, vtep
from vxnet.datapath import devices as net
from vxnet.datapath.kernel import find, require_root
from vxnet.datapath.orphans import remove_orphans
from vxnet.datapath.parts import Parts
from vxnet.datapath.sweep import sweep
from vxnet.errors import VxnetError
from vxnet.model import Bridge, FdbEntry, Neighbour, Port, Segment, Tunnel, Vtep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vxnet.datapath.devices import Devices
    from vxnet.datapath.maps import Maps
    from vxnet.plan import Change


class Datapath:
    """The switch in the kernel, to be changed. One at a time for each run directory."""

    def __init__(self, run_dir: Path) -> None:
        """Take over what is there, without what a killed daemon left half done.

        HostError without root, or if another version's layout is there.
        """
        require_root()
        self._run_dir = run_dir
        found = find(run_dir)
        self._parts = Parts(run_dir, found) if found else None
        if self._parts:
            leftovers.clear(self._parts)
        self._present: Devices | None = None
        self._from_others = self._recount = False

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
        progress: Callable[[Change], None] = lambda _: None,
        failed: Callable[[Change, VxnetError | OSError], None] | None = None,
        present: Devices | None = None,
    ) -> None:
        """Make the changes in their order, telling ``progress`` of each before it is made.

        What was done before an error stays done; the next plan goes on from there. With ``failed``, an error is told
        to it and the rest goes on. ``present``: the devices, if somebody has just read them all; each that is attached
        is looked at once more.
        """
        orphans = False
        self._recount = False
        self._present, self._from_others = present, present is not None
        try:
            for change in changes:
                progress(change)
                try:
                    if change.action == "remove":
                        self._remove(change)
                        orphans |= change.kind in _WITH_SLOTS
                        continue
                    if orphans:
                        # Before slots and names are given to others, who would inherit what was learned there.
                        self._clean_up()
                        orphans = False
                    self._make(change)
                except (VxnetError, OSError) as error:
                    if failed is None:
                        raise
                    failed(change, error)
                # What was learned behind a tunnel's old remote is no more true.
                self._recount |= change.kind == "tunnel"
        finally:
            if orphans or self._recount:
                self._clean_up()
            if self._parts:
                listening.follow(self._parts, routes=False)
                self._parts.touch()
            self._let_go()

    def sweep(self, now: int) -> int:
        """Free what has aged out of the FDB by ``now`` (ns of CLOCK_MONOTONIC); return how many entries."""
        return sweep(self._parts.maps, self._parts.slots, now) if self._parts else 0

    def touch(self) -> None:
        """A route, a next hop or an address has changed: void every cached flow."""
        if self._parts:
            listening.follow(self._parts, routes=True)
            self._parts.touch()

    def _clean_up(self) -> None:
        if self._parts:
            self._parts.clean_up()
        self.sweep(time.monotonic_ns())

    def _make(self, change: Change) -> None:
        parts = self._there()
        match change.value:
            case Vtep() as value:
                vtep.add(parts, value)
            case Segment() as value:
                segments.add(parts, value)
            case Bridge() as value:
                bridges.add(parts, value)
            case Tunnel() as value:
                tunnels.add(parts, value)
            case Port() as value:
                ports.add(parts, value, self._devices(value.device))
            case FdbEntry() as value:
                # Where one was learned, which its place has not taught any more: all of the FDB is read to count.
                self._recount |= static.add(parts, value)
            case Neighbour() as value:
                neighbours.add(parts.maps, parts.slots, value)

    def _remove(self, change: Change) -> None:
        parts = self._there()
        match change.value:
            case FdbEntry() as value:
                static.remove(parts, value)
            case Neighbour() as value:
                neighbours.remove(parts.maps, parts.slots, value)
            case Port() as value:
                ports.remove(parts, value)
            case Tunnel() as value:
                tunnels.remove(parts, value)
            case Bridge() as value:
                bridges.remove(parts, value)
            case Segment() as value:
                segments.remove(parts, value)
            case Vtep():
                vtep.remove(parts)

    def _devices(self, name: str) -> Devices:
        """Return the devices, which are read once for all ports of a plan; the one of this name as it is now."""
        if self._present is None:
            self._present = net.devices()
        elif self._from_others:
            self._present = self._present.updated(name, net.named(name))
        return self._present

    def _there(self) -> Parts:
        """Return the switch; a new one if there is none, after what is left of an earlier one is gone."""
        if self._parts is None:
            remove_orphans(self._run_dir)
            self._parts = Parts.new(self._run_dir)
        return self._parts

    def _let_go(self) -> None:
        """Forget a switch with nothing in it, and nothing of it is left in the kernel."""
        if self._parts and not self._parts.in_use:
            self._parts.close()
            self._parts = None
            remove_orphans(self._run_dir)


_WITH_SLOTS = frozenset({"port", "tunnel", "segment", "bridge"})
