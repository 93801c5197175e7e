# SPDX-License-Identifier: Apache-2.0
"""This host as its agent has it: the devices that are there, the state that is wanted, and what came of it.

    devices ---.
    view -------+--> desired --> plan --> kernel --> which ports forward, and why the others do not

Nothing here is asynchronous; the agent calls it from one thread at a time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vxnet.daemon.switch import Switch
from vxnet.datapath.actual import read
from vxnet.datapath.devices import devices
from vxnet.model import DOWN
from vxnet.sources.cluster.desired import ALIAS, Wanted, desired
from vxnet.sources.cluster.held import held

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address
    from pathlib import Path

    from vxnet.cluster.messages import Held, Segment
    from vxnet.plan import Change

log = logging.getLogger("vxnet-agent")


class Host:
    """One host of a cluster. HostError if another version of vxnet has left something in the kernel."""

    def __init__(self, run_dir: Path, local: IPv4Address) -> None:
        self._run_dir = run_dir
        self._local = local
        self._switch = Switch(run_dir)
        self._attached: set[int] = set()
        self._failures: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self.wanted = Wanted(state=DOWN)
        self.present = devices()

    @property
    def underlay_mtu(self) -> int:
        """The MTU of the device that has the VTEP's address, in bytes; 0 if none has."""
        device = self.present.holding(self._local)
        return device.mtu if device else 0

    @property
    def active(self) -> tuple[str, ...]:
        """The ids of the ports that forward."""
        return tuple(sorted(port for device, port in self.wanted.ports.items() if device not in self._failures))

    @property
    def waiting(self) -> dict[str, str]:
        """Why each of the other ports does not, by its id."""
        failed = {
            port: self._failures[device] for device, port in self.wanted.ports.items() if device in self._failures
        }
        return self.wanted.waiting | failed

    @property
    def trouble(self) -> str:
        """What else is not as it should be, "" for nothing."""
        devices_of_ports = self.wanted.ports.keys()
        return next((why for name, why in self._failures.items() if name not in devices_of_ports), "")

    def look_around(self) -> None:
        """Read which devices there are."""
        self.present = devices()

    def bring(self, segments: tuple[Segment, ...], *, look: bool) -> None:
        """Bring the kernel to what these segments ask for; with ``look``, after reading back what it holds."""
        self.wanted = desired(segments, self._local, self._usable(), self._aliases())
        _, self._failures = self._switch.bring(self.wanted.state, look=look)
        if self._failures and not look:
            # What was remembered may not be so any more.
            _, self._failures = self._switch.bring(self.wanted.state)
        present = self.present.by_name
        self._attached |= {present[name].index for name in self.wanted.ports if name not in self._failures}
        self._say(self.waiting)

    def down(self, progress: Callable[[Change], None]) -> None:
        """Take everything away."""
        self.wanted = Wanted(state=DOWN)
        self._switch.bring(DOWN, progress=progress)

    def sweep(self) -> None:
        """Free what has aged out of the FDB."""
        self._switch.sweep()

    def touch(self) -> None:
        """Let every cached flow be looked up again: a route or a next hop has changed."""
        self._switch.touch()

    def held(self, revision: int) -> Held:
        """Return what the kernel really holds; to be called once everything up to ``revision`` was brought there."""
        ports = self.wanted.ports
        return held(read(self._run_dir).state, ports, revision=revision, local=self._local, waiting=self.waiting)

    def _usable(self) -> dict[str, str]:
        """Return the devices, each with what stands in its way: one set down since it was attached is let be."""
        self._attached &= self.present.by_index.keys()
        return {
            name: f"device {name} is down; `ip link set {name} up`"
            if device.index in self._attached and not device.up
            else ""
            for name, device in self.present.by_name.items()
        }

    def _aliases(self) -> dict[str, str]:
        named = (device for device in self.present.by_index.values() if device.alias.startswith(ALIAS))
        return {device.alias: device.name for device in named}

    def _say(self, waiting: dict[str, str]) -> None:
        for port, why in waiting.items():
            if self._said.get(port) != why:
                log.info("port %s waits: %s", port, why)
        self._said = waiting
