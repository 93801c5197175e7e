# SPDX-License-Identifier: Apache-2.0
"""The keeper: holds the desired state and brings the kernel to it, again and again.

    desired --(devices that are not there left out)--> check -> plan -> apply
       ^                                                  ^
       |  Up, Down                                        |  something changed: netlink, or ten seconds have passed

Nothing here is asynchronous; the daemon calls it from one thread at a time.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.datapath.checks import check
from vxnet.datapath.devices import devices
from vxnet.errors import VxnetError
from vxnet.model import DOWN, HostState
from vxnet.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.plan import Change

log = logging.getLogger("vxnetd")


class Keeper:
    """One host's desired state, and the datapath that is kept equal to it."""

    def __init__(self, run_dir: Path) -> None:
        """Adopt what is in the kernel: it is what was desired last."""
        self._run_dir = run_dir
        self._datapath = Datapath(run_dir)
        actual = read(run_dir)
        self._desired = actual.state
        self._missing: frozenset[str] = frozenset()
        self._trouble = ""
        if actual.state.vtep:
            log.info("adopted %d segments and %d ports", len(actual.state.segments), len(actual.state.ports))

    def bring(self, desired: HostState, progress: Callable[[Change], None] = lambda _: None) -> None:
        """Bring the host to ``desired``. A VxnetError before the first change leaves everything as it was."""
        check(desired, self._run_dir)
        self._apply(desired, progress)
        self._desired, self._missing, self._trouble = desired, frozenset(), ""

    def start(self, desired: HostState) -> None:
        """Take ``desired`` as what is to be, and as much of it as the devices there allow. For starting up."""
        self._desired = desired
        self.repair()

    def repair(self) -> None:
        """Bring the kernel back to what is desired, as far as the devices that are there allow; say so, once each."""
        present = devices().by_name
        missing = frozenset(port.device for port in self._desired.ports if port.device not in present)
        for device in sorted(missing - self._missing):
            log.warning("port %s: its device is not there; it is attached when it comes", device)
        self._missing = missing
        possible = _without(self._desired, missing)
        try:
            changes = plan(possible, read(self._run_dir))
            if changes:
                check(possible, self._run_dir)
                self._apply(possible, lambda _: None)
        except VxnetError as error:
            if str(error) != self._trouble:
                log.error("%s", error)  # noqa: TRY400  (its words say it all; it is tried again)
            self._trouble = str(error)
        else:
            self._trouble = ""

    def sweep(self) -> None:
        """Free what has aged out of the FDB."""
        if removed := self._datapath.sweep(time.monotonic_ns()):
            log.debug("swept %d entries", removed)

    def touch(self) -> None:
        """Let every cached flow be looked up again: a route or a next hop has changed."""
        self._datapath.touch()

    def down(self, progress: Callable[[Change], None]) -> None:
        """Take everything away."""
        self._apply(DOWN, progress)
        self._desired = DOWN

    def _apply(self, desired: HostState, progress: Callable[[Change], None]) -> None:
        def tell(change: Change) -> None:
            log.info("%s %s %s: %s", change.action, change.kind, change.name, change.reason)
            progress(change)

        self._datapath.apply(plan(desired, read(self._run_dir)), tell)


def _without(state: HostState, missing: frozenset[str]) -> HostState:
    """Return ``state`` without the ports whose devices are missing, nor static entries that point there."""
    return msgspec.structs.replace(
        state,
        ports=tuple(port for port in state.ports if port.device not in missing),
        fdb=tuple(entry for entry in state.fdb if entry.port not in missing),
    )
