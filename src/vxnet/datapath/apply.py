# SPDX-License-Identifier: Apache-2.0
"""Carrying a plan out: each change becomes writes to maps and requests to netlink.

Making something that is there already, whole or half, repairs it: every step can be done again. What is in the kernel
when a Datapath is opened is taken over with its FDB, its counters and its traffic; only the programs are replaced by
this build's, atomically.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import ports, segments, static, vtep
from vxnet.datapath.kernel import find, require_root
from vxnet.datapath.parts import Parts
from vxnet.datapath.sweep import sweep
from vxnet.errors import KernelError
from vxnet.model import FdbEntry, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vxnet.datapath.devices import Devices
    from vxnet.datapath.maps import Maps
    from vxnet.plan import Change


class Datapath:
    """The switch in the kernel, to be changed. One at a time for each run directory."""

    def __init__(self, run_dir: Path) -> None:
        """Take over what is there. HostError without root, or if another version's layout is there."""
        require_root()
        self._run_dir = run_dir
        self._parts: Parts | None = None
        self._present: Devices | None = None
        if found := find(run_dir):
            with found.maps:
                self._parts = Parts.loaded(run_dir, found.maps)
            vtep.replace_programs(self._parts)

    @property
    def maps(self) -> Maps | None:
        """The maps, or None while there is no VTEP."""
        return self._parts.maps if self._parts else None

    def apply(self, changes: Iterable[Change], progress: Callable[[Change], None] = lambda _: None) -> None:
        """Make the changes in their order, telling ``progress`` of each before it is made.

        What was done before an error stays done; the next plan goes on from there.
        """
        orphans = recount = False
        self._present = None
        try:
            for change in changes:
                progress(change)
                if change.action == "remove":
                    self._remove(change)
                    orphans |= change.kind in {"port", "segment"}
                    continue
                if orphans:
                    # Before their slots are given to others, who would inherit what was learned there.
                    self.sweep(time.monotonic_ns())
                    orphans = False
                self._make(change)
                # It may stand where an entry was learned, which its place has not taught any more.
                recount |= change.kind == "fdb"
        finally:
            if orphans or recount:
                self.sweep(time.monotonic_ns())
            self.touch()

    def sweep(self, now: int) -> int:
        """Free what has aged out of the FDB by ``now`` (ns of CLOCK_MONOTONIC); return how many entries."""
        return sweep(self._parts.maps, self._parts.slots, now) if self._parts else 0

    def touch(self) -> None:
        """Void every cached flow."""
        if self._parts:
            self._parts.touch()

    def _make(self, change: Change) -> None:
        match change.value:
            case Vtep() as value:
                self._parts = vtep.add(self._run_dir, self._parts, value)
            case Segment() as value:
                segments.add(self._there(), value)
            case Port() as value:
                ports.add(self._there(), value, self._devices())
            case FdbEntry() as value:
                static.add(self._there(), value)

    def _remove(self, change: Change) -> None:
        match change.value:
            case FdbEntry() as value:
                static.remove(self._there(), value)
            case Port() as value:
                ports.remove(self._there(), value)
            case Segment() as value:
                segments.remove(self._there(), value)
            case Vtep():
                vtep.remove(self._there())
                self._parts = None

    def _devices(self) -> Devices:
        """Return the devices, which are read once for all ports of a plan."""
        if self._present is None:
            self._present = net.devices()
        return self._present

    def _there(self) -> Parts:
        if self._parts is None:
            message = "there is no VTEP to change; this is a defect of the plan"
            raise KernelError(message)
        return self._parts
