# SPDX-License-Identifier: Apache-2.0
"""What every step of a plan works on: this build's programs, the maps they share, and who sits in which slot."""

from __future__ import annotations

import os
from ctypes import c_uint32
from pathlib import Path  # noqa: TC003  (a NamedTuple's fields are read at run time)
from typing import NamedTuple

from vxnet.datapath.kernel import load
from vxnet.datapath.layout import VtepValue
from vxnet.datapath.maps import Maps
from vxnet.datapath.slots import Slots

_ZERO = c_uint32(0)


class Parts(NamedTuple):
    """The loaded switch of one run directory; ``programs`` are descriptors by name."""

    run_dir: Path
    programs: dict[str, int]
    maps: Maps
    slots: Slots

    @classmethod
    def loaded(cls, run_dir: Path, reuse: Maps | None = None) -> Parts:
        """Load this build's programs, over the maps in ``reuse`` or over new ones."""
        programs, fds = load(reuse)
        maps = Maps(fds)
        return cls(run_dir, programs, maps, Slots(maps))

    @property
    def vtep(self) -> VtepValue:
        """The VTEP as the map has it: all zero before it is made."""
        return self.maps.vtep.get(_ZERO) or VtepValue()

    def put_vtep(self, value: VtepValue) -> None:
        """Write the VTEP."""
        self.maps.vtep.put(_ZERO, value)

    def touch(self) -> None:
        """Void every cached flow: the next frame of each asks the FDB and the routing table again."""
        value = self.vtep
        value.epoch = (value.epoch + 1) & 0xFFFFFFFF
        self.put_vtep(value)

    def close(self) -> None:
        """Give all descriptors back; what is attached stays in the kernel."""
        for fd in self.programs.values():
            os.close(fd)
        self.maps.close()
