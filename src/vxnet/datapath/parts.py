# SPDX-License-Identifier: Apache-2.0
"""What every step of a plan works on: the maps of one switch, who sits in which slot, and this build's programs."""

from __future__ import annotations

import os
from ctypes import c_uint32
from typing import TYPE_CHECKING, Self

from vxnet.datapath import internal, neighbours
from vxnet.datapath.kernel import alias, load
from vxnet.datapath.layout import LAYOUT, MEANING, State, VtepValue
from vxnet.datapath.maps import Maps
from vxnet.datapath.senders import Senders
from vxnet.datapath.slots import Slots
from vxnet.datapath.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from vxnet.datapath.libbpf.loading import Loaded

_ZERO = c_uint32(0)


class Parts:
    """The switch of one run directory."""

    def __init__(self, run_dir: Path, maps: Maps, programs: dict[str, int] | None = None) -> None:
        """Take over ``maps``; without ``programs``, these are loaded when the first one is needed."""
        self.run_dir = run_dir
        self.maps = maps
        self.slots = Slots(maps)
        self.sources = Sources(maps)
        self.senders = Senders(maps)
        self.doomed: set[str] = set()
        """Internal ports whose devices are still to be deleted."""
        self._programs = programs or {}

    @classmethod
    def new(cls, run_dir: Path, elements: Mapping[str, int] | None = None) -> Self:
        """Load this build's programs over new maps, some of which are to hold so many ``elements``."""
        programs, fds = load(elements=elements)
        maps = Maps(fds)
        maps.state.put(_ZERO, State(layout=LAYOUT, meaning=MEANING, owner=alias(run_dir).encode()))
        return cls(run_dir, maps, programs)

    def adopt(self, loaded: Loaded, renewed: Collection[str]) -> None:
        """Take these programs for ours, and the maps ``renewed`` of them in the place of those of the same names.

        Whoever has one of these maps in hand has the new one from now on: its descriptor is the same number.
        """
        for fd in self._programs.values():
            os.close(fd)
        self._programs = loaded.programs
        for name, fd in loaded.maps.items():
            if name in renewed:
                os.dup2(fd, self.maps.fds[name], inheritable=False)
            os.close(fd)

    def program(self, name: str) -> int:
        """Return the descriptor of a program. What takes things away needs none, and works where none can be loaded."""
        if not self._programs:
            self._programs, fds = load(self.maps)
            for fd in fds.values():
                os.close(fd)
        return self._programs[name]

    @property
    def vtep(self) -> VtepValue:
        """The VTEP of the segments: the one with an address of its own. All zero before it is made."""
        return next((value for _, value in self.maps.vteps.items() if value.local.ip()), VtepValue())

    @property
    def in_use(self) -> bool:
        """Whether anything is there to be switched."""
        return bool(self.slots.domains) or any(True for _ in self.maps.vteps.items())

    def clean_up(self) -> None:
        """Delete what is put off: devices of internal ports, and neighbours of segments that have been removed."""
        doomed, self.doomed = self.doomed, set()
        internal.remove(doomed, self.run_dir)
        neighbours.sweep(self.maps, self.slots)

    def touch(self) -> None:
        """Void every cached flow: the next frame of each asks the FDB and the routing table again."""
        value = self.maps.state.get(_ZERO) or State()
        value.epoch = (value.epoch + 1) & 0xFFFFFFFF
        self.maps.state.put(_ZERO, value)

    def close(self) -> None:
        """Give all descriptors back; what is attached stays in the kernel."""
        for fd in self._programs.values():
            os.close(fd)
        self.maps.close()
