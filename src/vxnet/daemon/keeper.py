# SPDX-License-Identifier: Apache-2.0
"""The keeper: holds the desired state and brings the kernel to it, again and again.

    desired --(without ports that cannot be attached now; with the remotes that are dead)--> plan --> apply
       ^                                                       ^
       |  Up, Down                                             |  something changed: netlink, or ten seconds have passed

The device of a segment's port is brought up when the port is attached. Who sets it down afterwards means it: the port
is let go until the device is up again, or until the next Up.

Nothing here is asynchronous; the daemon calls it from one thread at a time.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from vxnet import narrowed
from vxnet.daemon.lookout import Lookout
from vxnet.datapath.actual import DEVICE_DOWN, Reader
from vxnet.datapath.apply import Datapath
from vxnet.datapath.checks import check, unusable_ports
from vxnet.datapath.devices import devices
from vxnet.dead import dead_in, leaving_out
from vxnet.errors import VxnetError
from vxnet.model import DOWN, HostState, Port

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

    from vxnet.datapath.voice import Voice
    from vxnet.model import IPAddress
    from vxnet.plan import Actual, Change

log = logging.getLogger("vxnetd")


class Keeper:
    """One host's desired state, and the datapath that is kept equal to it."""

    def __init__(self, run_dir: Path) -> None:
        """Adopt what is in the kernel: it is what was desired last."""
        self._run_dir = run_dir
        self._reader = Reader(run_dir)
        self._datapath = Datapath(run_dir)
        self._datapath.replace_programs()
        self._lookout = Lookout(self._datapath)
        self._desired = self._reader.read().asked_for()
        self._waiting: dict[Port, str] = {}
        self._set_down: dict[str, int] = {}  # the index of each device that somebody has set down, by its name
        self._trouble = ""
        # What has been told of already, and is tried again since it failed.
        self._tried: frozenset[Change] = frozenset()
        self._dead = dead_in(self._desired)
        if self._desired.vtep:
            log.info("adopted %d segments and %d ports", len(self._desired.segments), len(self._desired.ports))

    @property
    def trouble(self) -> str:
        """What stands in the way of the desired state, but for ports that wait for their devices; empty: nothing."""
        return self._trouble

    @property
    def waiting(self) -> dict[Port, str]:
        """The ports that cannot be attached now, and why."""
        return self._waiting

    @property
    def desired(self) -> HostState:
        """What is to be."""
        return self._desired

    @property
    def dead(self) -> frozenset[IPAddress]:
        """The remotes that are taken for dead."""
        return self._dead

    def voice(self, old: Voice | None) -> Voice | None:
        """Return what is spoken with to the remotes: ``old``, if that is still it."""
        return self._datapath.voice(old)

    def take_for_dead(self, dead: frozenset[IPAddress]) -> None:
        """Leave these remotes, and no others, out of the flood lists of segments that ask for that."""
        if dead != self._dead:
            self._dead = dead
            if not all(segment.flood_to_dead for segment in self._desired.segments):
                self.repair()

    def bring(self, desired: HostState, progress: Callable[[tuple[Change, ...]], None] = lambda _: None) -> None:
        """Bring the host to ``desired``. When that fails, everything is as it was."""
        check(desired, self._run_dir)
        try:
            self._apply(desired, progress)
        except (VxnetError, OSError):
            self.repair()
            raise
        self._desired, self._waiting, self._set_down, self._trouble = desired, {}, {}, ""

    def start(self, desired: HostState) -> None:
        """Take ``desired`` as what is to be, and as much of it as the devices there allow. For starting up."""
        self._desired = desired
        self.repair()

    def repair(self) -> None:
        """Bring the kernel back to what is desired, as far as the devices that are there allow; say so, once each."""
        try:
            actual = self._reader.read()
            waiting = self._down(actual) | unusable_ports(self._desired, self._run_dir)
            for port, why in waiting.items():
                if self._waiting.get(port) != why:
                    log.warning("port %s: %s; it is attached as soon as it can be", port.device, why)
            self._waiting = waiting
            self._apply(_without(self._desired, {port.device for port in waiting}), actual=actual)
        except (VxnetError, OSError) as error:
            if str(error) != self._trouble:
                log.error("%s", error)  # noqa: TRY400  (its words say it all; it is tried again)
            self._trouble = str(error)
        else:
            self._trouble = ""

    def sweep(self) -> None:
        """Free what has aged out of the FDB."""
        if removed := self._datapath.sweep(time.monotonic_ns()):
            log.debug("swept %d entries", removed)

    def look_out(self) -> None:
        """Tell of what tenants do that should not be."""
        self._lookout.look()

    def touch(self) -> None:
        """Let every cached flow be looked up again: a route or a next hop has changed."""
        self._datapath.touch()

    def down(self, progress: Callable[[tuple[Change, ...]], None] = lambda _: None) -> None:
        """Take everything away."""
        self._apply(DOWN, progress)
        self._desired, self._waiting = DOWN, {}

    def _down(self, actual: Actual) -> dict[Port, str]:
        """Return the ports whose devices were set down after they had been attached."""
        present = devices().by_name
        for value, fault in actual.faults.items():
            if isinstance(value, Port) and fault == DEVICE_DOWN and value.device in present:
                self._set_down[value.device] = present[value.device].index
        self._set_down = {
            name: index
            for name, index in self._set_down.items()
            if name in present and present[name].index == index and not present[name].up
        }
        return {
            port: f"device {port.device} is down; `ip link set {port.device} up`"
            for port in self._desired.ports
            if port.device in self._set_down
        }

    def _apply(
        self,
        desired: HostState,
        progress: Callable[[tuple[Change, ...]], None] = lambda _: None,
        *,
        actual: Actual | None = None,
    ) -> None:
        def tell(steps: tuple[Change, ...]) -> None:
            # Most often nothing has been tried before, and then nothing needs to be hashed.
            if new := [step for step in steps if step not in self._tried] if self._tried else steps:
                log.info("%s", "\n".join(map(str, new)))
            tried.extend(steps)
            progress(steps)

        tried: list[Change] = []

        if changes := narrowed.changes(leaving_out(desired, self._dead), actual or self._reader.read()):
            try:
                self._datapath.apply(changes, tell)
            except (VxnetError, OSError):
                self._tried = frozenset(tried)
                raise
            self._tried = frozenset()


def _without(state: HostState, waiting: Container[str]) -> HostState:
    """Return ``state`` without the ports that wait for their devices, nor static entries that point there."""
    return msgspec.structs.replace(
        state,
        ports=tuple(port for port in state.ports if port.device not in waiting),
        fdb=tuple(entry for entry in state.fdb if entry.port is None or entry.port not in waiting),
    )
