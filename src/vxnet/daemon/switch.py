# SPDX-License-Identifier: Apache-2.0
"""The datapath of a host that follows a database or a cluster: as much of what is desired as there can be.

What cannot be, and why, is told by its name; the rest is not held up by it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from vxnet import narrowed
from vxnet.daemon.lookout import Lookout
from vxnet.datapath.actual import Reader
from vxnet.datapath.apply import Datapath
from vxnet.errors import VxnetError
from vxnet.plan import Actual, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

    from vxnet.datapath.devices import Devices
    from vxnet.model import HostState
    from vxnet.plan import Change, Value

log = logging.getLogger("vxnetd")


class Switch:
    """What is in the kernel, taken over as it is. HostError if another version of vxnet put it there."""

    def __init__(self, run_dir: Path) -> None:
        self._reader = Reader(run_dir)
        self._datapath = Datapath(run_dir)
        self._datapath.replace_programs()
        self._lookout = Lookout(self._datapath)
        self._failures: dict[str, str] = {}
        self._brought: HostState | None = None
        self._generation = 0

    @property
    def generation(self) -> int:
        """A number that is another one once something may have been changed."""
        return self._generation

    def bring(
        self,
        desired: HostState,
        *,
        look: bool = True,
        actual: Actual | None = None,
        present: Devices | None = None,
        progress: Callable[[tuple[Change, ...]], None] = lambda _: None,
    ) -> tuple[int, dict[str, str]]:
        """Bring the kernel to ``desired``. Return how many changes that took, and what failed, by its name.

        It is compared with ``actual``, if somebody has just read that back; without ``look`` with what the kernel was
        brought to last: reading it back takes a time that grows with all that is there, not with what changes. So does
        reading the devices: ``present`` are those that were there a moment ago.
        """
        before = self._failures
        if self._brought and not look:
            actual = actual or Actual(self._brought)
        changes, failures = self._bring(desired, actual, present, progress)
        if failures.keys() - before.keys() and not look:
            # What was remembered may not be so any more.
            again, failures = self._bring(desired, None, present, progress)
            changes += again
        return changes, failures

    def _bring(
        self,
        desired: HostState,
        actual: Actual | None,
        present: Devices | None,
        progress: Callable[[tuple[Change, ...]], None],
    ) -> tuple[int, dict[str, str]]:
        """Bring the kernel from what it is, which is read back if it is None, to ``desired``."""
        failures: dict[str, str] = {}

        def tell(steps: tuple[Change, ...]) -> None:
            if new := [step for step in steps if step.name not in self._failures]:
                log.info("%s", "\n".join(map(str, new)))
            progress(steps)

        def failed(change: Change, error: VxnetError | OSError) -> None:
            failures.setdefault(change.name, str(error))
            if self._failures.get(change.name) != str(error):
                log.warning("%s %s: %s", change.kind, change.name, error)

        changes: tuple[Change, ...] = ()
        self._brought = None
        try:
            changes = narrowed.changes(desired, actual or self._reader.read())
            if changes:
                self._generation += 1
                self._datapath.apply(changes, tell, failed, present)
            self._brought = _what_works(desired, failures)
        except (VxnetError, OSError) as error:
            # Not one thing's fault: nobody can say what works.
            domains: tuple[Value, ...] = (*desired.segments, *desired.bridges)
            everything = (*domains, *desired.tunnels, *desired.ports)
            failures = {name_of(value): str(error) for value in everything}
            if failures != self._failures:
                log.error("%s", error)  # noqa: TRY400  (its words say it all)
        self._failures = failures
        return len(changes), failures

    def sweep(self) -> None:
        """Free what has aged out of the FDB, and tell of what tenants do that should not be."""
        self._lookout.look()
        self._datapath.sweep(time.monotonic_ns())

    def touch(self) -> None:
        """Let every cached flow be looked up again: a route or a next hop has changed."""
        self._datapath.touch()


def _what_works(desired: HostState, failures: Container[str]) -> HostState | None:
    """Return what of ``desired`` is so now; None if a domain or the VTEP is not, with all that hangs on it."""
    roots: tuple[Value, ...] = (*desired.segments, *desired.bridges, *desired.tunnels)
    vtep = (desired.vtep,) if desired.vtep else ()
    if any(name_of(value) in failures for value in (*vtep, *roots)):
        return None
    return msgspec.structs.replace(
        desired,
        ports=tuple(port for port in desired.ports if port.device not in failures),
        fdb=tuple(e for e in desired.fdb if e.port not in failures and name_of(e) not in failures),
        neighbours=tuple(n for n in desired.neighbours if name_of(n) not in failures),
    )
