# SPDX-License-Identifier: Apache-2.0
"""The datapath of a host whose desired state is a database: as much of it as there can be, and what is not, and why."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from vxnet.datapath import report
from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.errors import HostError, VxnetError
from vxnet.plan import name_of, plan
from vxnet.sources.ovsdb.status import Frames

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.model import Bridge, HostState, Port, Tunnel
    from vxnet.plan import Change

log = logging.getLogger("vxnetd")


class Switch:
    """What is in the kernel, taken over as it is. HostError if another version of vxnet put it there."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._datapath = Datapath(run_dir)
        self._datapath.replace_programs()
        self._failures: dict[str, str] = {}

    def bring(self, desired: HostState) -> tuple[int, dict[str, str]]:
        """Bring the kernel to ``desired``. Return how many changes that took, and what failed, by its name."""
        failures: dict[str, str] = {}

        def tell(change: Change) -> None:
            if change.name not in self._failures:
                log.info("%s %s %s: %s", change.action, change.kind, change.name, change.reason)

        def failed(change: Change, error: VxnetError | OSError) -> None:
            failures.setdefault(change.name, str(error))
            if self._failures.get(change.name) != str(error):
                log.warning("%s %s: %s", change.kind, change.name, error)

        changes: tuple[Change, ...] = ()
        try:
            changes = plan(desired, read(self._run_dir))
            if changes:
                self._datapath.apply(changes, tell, failed)
        except (VxnetError, OSError) as error:
            # Not one thing's fault: nobody can say what works.
            everything: tuple[Bridge | Tunnel | Port, ...] = (*desired.bridges, *desired.tunnels, *desired.ports)
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

    def frames(self) -> dict[str, Frames]:
        """Return what every port and tunnel has counted, by its name."""
        try:
            counted = report.members(self._run_dir)
        except HostError:  # there is no bridge
            return {}
        return {
            name: Frames(traffic.rx_packets, traffic.rx_bytes, traffic.tx_packets, traffic.tx_bytes)
            for name, traffic in counted.items()
        }
