# SPDX-License-Identifier: Apache-2.0
"""What of vxnet is in the kernel, and how to find it again.

    VXLAN device "vxnet4789", or our end of an internal port       alias "vxnet RUN_DIR": whose it is
        '-- program at its ingress  vxnet_overlay, vxnet_access
               '-- maps             everything: VTEP, segments, bridges, ports, FDB, counters

The attached programs hold the maps, and the devices hold the programs: nothing is pinned, no file says what is there,
and when the programs and the device go, everything goes. So vxnet needs no bpffs, which is not the same one (or not
there at all) inside `ip netns exec`, and whoever has the network namespace can find, show and take over what is in it.
"""

from __future__ import annotations

import os
import re
from ctypes import c_uint8, c_uint32
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from vxnet.datapath import attach, btf
from vxnet.datapath.devices import devices
from vxnet.datapath.layout import LAYOUT
from vxnet.datapath.libbpf import loading, objects, rawmap
from vxnet.datapath.maps import SIZES, Maps
from vxnet.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vxnet.datapath.devices import Devices
    from vxnet.datapath.libbpf.objects import Program

ACCESS, UNDERLAY, OVERLAY = "vxnet_access", "vxnet_underlay", "vxnet_overlay"
OLDEST_LINUX: Final = (6, 1)
"""What is missing in older ones: docs/kernels.md."""

ASK = "vxnet_ask"
"""On no device: it is run to ask about loops (loops.py)."""
SAY = "vxnet_say"
"""On no device: the daemon runs it (voice.py)."""


def alias(run_dir: Path) -> str:
    """Return the alias of the devices that belong to ``run_dir``."""
    return f"vxnet {run_dir.resolve()}"


def overlay_name(dstport: int) -> str:
    """Return the name of the VXLAN device for a UDP port."""
    return f"vxnet{dstport}"


def find(run_dir: Path, present: Devices | None = None) -> Maps | None:
    """Find the maps that the daemon of ``run_dir`` left in the kernel of this network namespace, or None. Close them.

    HostError when another version of vxnet has laid them out: the next daemon takes them over (handover.py).
    """
    require_root()
    program = program_of(run_dir, present)
    if program is None:
        return None
    if maps := maps_of(program):
        return maps
    message = (
        f"what {run_dir} has in the kernel is another version of vxnet's; start vxnetd anew, which takes it over "
        "(`systemctl restart vxnetd`, or end it and `vxnet up HOST.toml`)"
    )
    raise HostError(message)


def program_of(run_dir: Path, present: Devices | None = None) -> Program | None:
    """Return one of the programs that belong to ``run_dir`` in this namespace, whichever version's; None: none does."""
    mine, there = alias(run_dir), (present or devices()).by_index
    for device in there.values():
        if device.alias == mine and (program := _program_on(device.index)):
            return program
    # Nothing that we made is left, or nothing had to be made: a bridge of devices that were there.
    for device in there.values():
        if (program := _program_on(device.index)) and owner_of(program) == mine:
            return program
    return None


def owner(maps: Maps) -> str:
    """Return the alias of whom the maps belong to."""
    state = maps.state.get(c_uint32(0))
    return state.owner.decode() if state else ""


def _program_on(ifindex: int) -> Program | None:
    """Return a program of a vxnet's on a device, or None."""
    there = (found.program for found in attach.programs(ifindex))
    return next((program for program in there if program.name in {OVERLAY, ACCESS, UNDERLAY}), None)


def owner_of(program: Program) -> str:
    """Return the alias of whom a program of a vxnet's belongs to; empty if that cannot be told."""
    maps = maps_of(program)
    if maps is None:
        return _owner_elsewhere(program)
    with maps:
        return owner(maps)


def _owner_elsewhere(program: Program) -> str:
    """Return the owner as another version has written it down."""
    for name, fd in filter(None, map(objects.map_by_id, program.map_ids)):
        try:
            if name == "state":
                place = btf.shape(fd).value.get("owner", (0, 0))
                value = (c_uint8 * objects.map_info(fd).value_size)()
                rawmap.lookup(fd, c_uint32(0), value)
                return bytes(value)[place[0] : sum(place)].rstrip(b"\0").decode()
        finally:
            os.close(fd)
    return ""


def maps_of(program: Program) -> Maps | None:
    """Return the maps of a program, or None if they are laid out in another way. Close them."""
    fds = dict(filter(None, map(objects.map_by_id, program.map_ids)))
    sizes = {name: (info.key_size, info.value_size) for name, fd in fds.items() for info in [objects.map_info(fd)]}
    if all(sizes.get(name) == size for name, size in SIZES.items()):
        maps = Maps(fds)
        state = maps.state.get(c_uint32(0))
        if state and state.layout == LAYOUT:
            return maps
        maps.close()
        return None
    for fd in fds.values():
        os.close(fd)
    return None


def load(reuse: Maps | None = None, elements: Mapping[str, int] | None = None) -> loading.Loaded:
    """Bring the programs into the kernel, over the maps in ``reuse`` if there are any.

    Maps in ``elements`` are new in any case, and hold as many. HostError if this kernel is too old.
    """
    require_linux(os.uname().release)
    elements = elements or {}
    with as_file(files("vxnet.datapath.bpf") / "vxnet.bpf.o") as path:
        if not path.exists():
            message = f"{path} is missing: the eBPF programs are not compiled; run `make setup` (it needs clang)"
            raise HostError(message)
        # The flow caches are not taken over: they fill again in no time, and their layout may change with any build.
        kept = {name: fd for name, fd in reuse.fds.items() if name not in elements} if reuse else {}
        loaded = loading.load(str(path), kept, dict(SIZES), elements)
    # Each program holds every map, whether it uses it or not: any one of them leads to all, and is known by them.
    for program in loaded.programs.values():
        for fd in loaded.maps.values():
            loading.bind_map(program, fd)
    return loaded


def require_linux(release: str) -> None:
    """HostError if a kernel of this release, as uname(2) has it, is too old. What says no version may be new enough."""
    found = re.match(r"(\d+)\.(\d+)", release)
    if found and (int(found[1]), int(found[2])) < OLDEST_LINUX:
        needed = ".".join(map(str, OLDEST_LINUX))
        message = f"Linux {release} is too old: vxnet needs {needed} or newer; boot another kernel"
        raise HostError(message)


def is_root() -> bool:
    """Tell whether this process is root's."""
    return os.geteuid() == 0


def require_root() -> None:
    """HostError unless this process may change the network."""
    if not is_root():
        message = "vxnet needs root: it changes network devices and loads eBPF programs; try again with sudo"
        raise HostError(message)
