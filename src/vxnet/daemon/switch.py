# SPDX-License-Identifier: Apache-2.0
"""The datapath of a host that follows a database or a cluster: as much of what is desired as there can be.

What cannot be, and why, is told by its name; the rest is not held up by it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.errors import VxnetError
from vxnet.narrowed import narrowed
from vxnet.plan import Actual, name_of, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.datapath.devices import Devices
    from vxnet.model import HostState
    from vxnet.plan import Change, Value

log = logging.getLogger("vxnetd")


class Switch:
    """What is in the kernel, taken over as it is. HostError if another version of vxnet put it there."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._datapath = Datapath(run_dir)
        self._datapath.replace_programs()
        self._failures: dict[str, str] = {}
        self._brought: HostState | None = None

    def bring(
        self,
        desired: HostState,
        *,
        look: bool = True,
        present: Devices | None = None,
        progress: Callable[[Change], None] = lambda _: None,
    ) -> tuple[int, dict[str, str]]:
        """Bring the kernel to ``desired``. Return how many changes that took, and what failed, by its name.

        Without ``look`` it is compared with what the kernel was brought to last, if nothing failed then: reading the
        kernel back takes a time that grows with all that is there, not with what changes. So does reading the devices:
        ``present`` are those that were there a moment ago.
        """
        failures: dict[str, str] = {}

        def tell(change: Change) -> None:
            if change.name not in self._failures:
                log.info("%s %s %s: %s", change.action, change.kind, change.name, change.reason)
            progress(change)

        def failed(change: Change, error: VxnetError | OSError) -> None:
            failures.setdefault(change.name, str(error))
            if self._failures.get(change.name) != str(error):
                log.warning("%s %s: %s", change.kind, change.name, error)

        changes: tuple[Change, ...] = ()
        try:
            brought, self._brought = self._brought, None
            if brought and not look:
                goal, there = narrowed(desired, brought)
                changes = plan(goal, Actual(there))
            else:
                changes = plan(desired, read(self._run_dir))
            if changes:
                self._datapath.apply(changes, tell, failed, present)
            if not failures:
                self._brought = desired
        except (VxnetError, OSError) as error:
            # Not one thing's fault: nobody can say what works.
            networks: tuple[Value, ...] = (*desired.segments, *desired.bridges)
            everything = (*networks, *desired.tunnels, *desired.ports)
            failures = {name_of(value): str(error) for value in everything}
            if failures != self._failures:
                log.error("%s", error)  # noqa: TRY400  (its words say it all)
        self._failures = failures
        return len(changes), failures

    def sweep(self) -> None:
        """Free what has aged out of the FDB."""
        self._datapath.sweep(time.monotonic_ns())

    def touch(self) -> None:
        """Let every cached flow be looked up again: a route or a next hop has changed."""
        self._datapath.touch()
