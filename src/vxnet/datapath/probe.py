# SPDX-License-Identifier: Apache-2.0
"""How remotes are probed: kept in `state`, so that the next daemon goes on with it. Probing is the daemon's alone."""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath.layout import State
from vxnet.model import Probe

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps

_ZERO = c_uint32(0)


def put(maps: Maps, probe: Probe | None) -> None:
    """Write these settings down; None: remotes are not probed."""
    state = maps.state.get(_ZERO) or State()
    state.probe_interval, state.probe_detect_mult = (probe.interval, probe.detect_mult) if probe else (0, 0)
    maps.state.put(_ZERO, state)


def read(maps: Maps) -> Probe | None:
    """Return what is written down."""
    state = maps.state.get(_ZERO) or State()
    if not state.probe_interval:
        return None
    return Probe(interval=state.probe_interval, detect_mult=state.probe_detect_mult)
