# SPDX-License-Identifier: Apache-2.0
"""This host as its agent has it: the devices that are there, the state that is wanted, and what came of it.

    devices ---.
    view -------+--> desired --> plan --> kernel --> which ports forward, and why the others do not

Nothing here is asynchronous; the agent calls it from one thread at a time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vxnet.daemon.switch import Switch
from vxnet.datapath.actual import Reader, read
from vxnet.datapath.devices import devices
from vxnet.dead import dead_in, leaving_out
from vxnet.model import DOWN, IPAddress
from vxnet.sources.cluster.desired import ALIAS, DEFAULTS, desired
from vxnet.sources.cluster.held import held

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vxnet.cluster.messages import Held, Segment
    from vxnet.plan import Actual, Change
    from vxnet.sources.cluster.desired import Settings, Wanted

log = logging.getLogger("vxnet-agent")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What has come of what was wanted at ``revision``: which ports, by their ids, are at which devices and forward.

    ``waiting``: why each of the others does not. ``trouble``: what else is not as it should be, "" for nothing.
    ``revision`` is -1 before anything was wanted.
    """

    revision: int = -1
    devices: dict[str, str] = {}
    active: frozenset[str] = frozenset()
    waiting: dict[str, str] = {}
    trouble: str = ""


def outcome_of(revision: int, wanted: Wanted, failures: Mapping[str, str]) -> Outcome:
    """Return what came of ``wanted``, of which the ``failures`` are not so, by their names.

    Without its segment or the VTEP a port does not forward, although its device is attached.
    """
    vtep = str(wanted.state.vtep.local) if wanted.state.vtep else ""
    waiting = dict(wanted.waiting)
    for port in wanted.state.ports:
        failed = next((name for name in (port.device, port.segment, vtep) if name in failures), None)
        if failed is not None:
            waiting[wanted.ports[port.device]] = failures[failed]
    return Outcome(
        revision=revision,
        devices={port: device for device, port in wanted.ports.items()},
        active=frozenset(wanted.ports.values()) - waiting.keys(),
        waiting=waiting,
        trouble=next((why for name, why in failures.items() if name not in wanted.ports), wanted.trouble),
    )


class Seen(NamedTuple):
    """What the kernel was read back to hold, and the switch's generation when that was begun."""

    generation: int
    actual: Actual


class Host:
    """One host of a cluster. HostError if another version of vxnet has left something in the kernel."""

    def __init__(self, run_dir: Path, local: IPAddress, settings: Settings = DEFAULTS) -> None:
        self._run_dir = run_dir
        self._settings = settings
        self._reader = Reader(run_dir)
        self._local = local
        self._switch = Switch(run_dir)
        self._seen_up: set[int] = set()
        self._said: dict[str, str] = {}
        self._trouble = ""
        self.outcome = Outcome()
        """What came of what was wanted last."""
        self.desired = DOWN
        """What was wanted last, whoever is dead."""
        self.dead = dead_in(self._reader.read().asked_for())
        """The remotes that are taken for dead: from the next time on left out of flooding, where that is asked for."""
        self._present = devices()

    @property
    def underlay_mtu(self) -> int:
        """The MTU of the device that has the VTEP's address, in bytes; 0 if none has."""
        device = self._present.holding(self._local)
        return device.mtu if device else 0

    def look_around(self) -> None:
        """Read which devices there are."""
        present = self._present = devices()
        mine = (present.by_name.get(self.outcome.devices[port]) for port in self.outcome.active)
        self._seen_up |= {device.index for device in mine if device and device.up}
        self._seen_up &= present.by_index.keys()

    def read(self) -> Seen:
        """Read back what the kernel holds. To be called beside anything else: what is done meanwhile voids it."""
        generation = self._switch.generation
        return Seen(generation, self._reader.read())

    def is_current(self, seen: Seen) -> bool:
        """Tell whether nothing was changed since that was begun to be read."""
        return seen.generation == self._switch.generation

    def bring(
        self, segments: tuple[Segment, ...], revision: int, *, look: bool = False, seen: Seen | None = None
    ) -> None:
        """Bring the kernel to what these segments ask for, from what it was ``seen`` to hold.

        With ``look`` that is read back first; with neither it is what it was brought to last.
        """
        wanted = desired(segments, self._local, self._usable(), self._aliases(), self._settings)
        self.desired = wanted.state
        actual = seen.actual if seen else None
        state = leaving_out(wanted.state, self.dead)
        _, failures = self._switch.bring(state, look=look, actual=actual, present=self._present)
        self.outcome = outcome_of(revision, wanted, failures)
        self._say(self.outcome.waiting, wanted.trouble)

    def down(self, progress: Callable[[tuple[Change, ...]], None]) -> None:
        """Take everything away."""
        self.outcome, self.desired = Outcome(), DOWN
        self._switch.bring(DOWN, progress=progress)

    def sweep(self) -> None:
        """Free what has aged out of the FDB."""
        self._switch.sweep()

    def touch(self) -> None:
        """Let every cached flow be looked up again: a route or a next hop has changed."""
        self._switch.touch()

    def held(self) -> Held:
        """Return what the kernel really holds."""
        outcome = self.outcome
        ports = {device: port for port, device in outcome.devices.items()}
        state = read(self._run_dir).state
        return held(state, ports, revision=outcome.revision, local=self._local, waiting=outcome.waiting)

    def _usable(self) -> dict[str, str]:
        """Return the devices, each with what stands in its way: one that somebody has set down is let be."""
        return {
            name: f"device {name} is down; `ip link set {name} up`"
            if device.index in self._seen_up and not device.up
            else ""
            for name, device in self._present.by_name.items()
        }

    def _aliases(self) -> dict[str, str]:
        named = (device for device in self._present.by_index.values() if device.alias.startswith(ALIAS))
        return {device.alias: device.name for device in named}

    def _say(self, waiting: dict[str, str], trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble
        for port, why in waiting.items():
            if self._said.get(port) != why:
                log.info("port %s waits: %s", port, why)
        self._said = waiting
