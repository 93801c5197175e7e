# SPDX-License-Identifier: Apache-2.0
"""What of vxnet is in the kernel, and how to find it again.

    VXLAN device "vxnet4789"        alias "vxnet RUN_DIR": whose it is
        '-- program at its ingress  vxnet_overlay
               '-- maps             everything: VTEP, segments, ports, FDB, counters

The attached programs hold the maps, and the devices hold the programs: nothing is pinned, no file says what is there,
and when the programs and the device go, everything goes. So vxnet needs no bpffs, which is not the same one (or not
there at all) inside `ip netns exec`, and whoever has the network namespace can find, show and take over what is in it.
"""

from __future__ import annotations

import os
from ctypes import c_uint32
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import attach, libbpf
from vxnet.datapath.devices import devices
from vxnet.datapath.layout import LAYOUT_VERSION, VtepValue
from vxnet.datapath.maps import SIZES, Maps
from vxnet.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices

ACCESS, UNDERLAY, OVERLAY = "vxnet_access", "vxnet_underlay", "vxnet_overlay"


class Found(NamedTuple):
    """One vxnet in this namespace: its slow-path device, its maps and what they say of the VTEP."""

    overlay: Device
    maps: Maps
    vtep: VtepValue


def alias(run_dir: Path) -> str:
    """Return the alias of the VXLAN device that belongs to ``run_dir``."""
    return f"vxnet {run_dir.resolve()}"


def overlay_name(dstport: int) -> str:
    """Return the name of the VXLAN device for a UDP port."""
    return f"vxnet{dstport}"


def find(run_dir: Path, present: Devices | None = None) -> Found | None:
    """Find what the daemon of ``run_dir`` left in the kernel of this network namespace, or None. Close its maps.

    HostError when the maps are of another version of vxnet than this one: `vxnet down` of that version, or deleting the
    device and then `vxnet down`, clears them away.
    """
    require_root()
    mine = alias(run_dir)
    for device in (present or devices()).by_index.values():
        if device.kind == "vxlan" and device.alias == mine:
            maps = _maps_of(device)
            vtep = maps.vtep.get(c_uint32(0)) if maps else None
            if not maps or not vtep:
                return None
            if vtep.layout != LAYOUT_VERSION:
                maps.close()
                message = (
                    f"{device.name}: in the kernel by another version of vxnet (layout {vtep.layout}, this one has "
                    f"{LAYOUT_VERSION}); take it away with `ip link delete {device.name}` and `vxnet down`"
                )
                raise HostError(message)
            return Found(device, maps, vtep)
    return None


def instances(present: Devices) -> dict[int, str]:
    """Return the alias of every vxnet in this namespace by its instance, as its programs have it (attach.py)."""
    found = {}
    for device in present.by_index.values():
        if device.kind == "vxlan" and device.alias.startswith("vxnet ") and (maps := _maps_of(device)):
            with maps:
                found[maps.instance] = device.alias
    return found


def _maps_of(overlay: Device) -> Maps | None:
    program = next((found.program for found in attach.programs(overlay.index) if found.program.name == OVERLAY), None)
    if program is None:
        return None
    fds = dict(filter(None, map(libbpf.map_by_id, program.map_ids)))
    if fds.keys() >= SIZES.keys():
        return Maps(fds)
    for fd in fds.values():
        os.close(fd)
    return None


def load(reuse: Maps | None = None) -> libbpf.Loaded:
    """Bring the programs into the kernel, over the maps in ``reuse`` if there are any."""
    with as_file(files("vxnet.datapath.bpf") / "vxnet.bpf.o") as path:
        if not path.exists():
            message = f"{path} is missing: the eBPF programs are not compiled; run `make setup` (it needs clang)"
            raise HostError(message)
        # The flow caches are not taken over: they fill again in no time, and their layout may change with any build.
        kept = {name: fd for name, fd in reuse.fds.items() if name in SIZES} if reuse else {}
        loaded = libbpf.load(str(path), kept, dict(SIZES))
    # Maps that only another program uses are tied to this one as well: it is there as long as the VTEP is.
    for fd in loaded.maps.values():
        libbpf.bind_map(loaded.programs[OVERLAY], fd)
    # By this one every program is known for what it is.
    for program in loaded.programs.values():
        libbpf.bind_map(program, loaded.maps["vtep"])
    return loaded


def require_root() -> None:
    """HostError unless this process may change the network."""
    if os.geteuid():
        message = "vxnet needs root: it changes network devices and loads eBPF programs; try again with sudo"
        raise HostError(message)
