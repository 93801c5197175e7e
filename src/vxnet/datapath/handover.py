# SPDX-License-Identifier: Apache-2.0
"""Taking over a switch whose maps another version of vxnet has laid out in another way, without losing a frame.

    1. load this build's programs, over new maps; nothing is attached yet
    2. copy every element, field by field by their names: both sides' maps know their own types (btf.py)
    3. put our programs in the place of theirs, device by device, each in one step: the VXLAN devices last
    4. copy once more what they have learned meanwhile

While that goes on some devices have the one's programs and maps and some the other's. Both know all ports, remotes and
MACs, so every frame finds its way through either. By the VXLAN device a switch is found (kernel.py): whoever is killed
before the last step leaves the other version's, and the next daemon begins anew.

A field that is new begins as zero, one that is gone is forgotten; where that is not right, `MEANING` (layout.py) is
another one, and the maps are refused. Frames that are counted between steps 2 and 3 are missing in the counters.
"""

from __future__ import annotations

import logging
import os
import time
from ctypes import c_uint8, c_uint32, sizeof
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import attach, btf
from vxnet.datapath.devices import devices
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, alias, load, maps_of, owner_of, program_of, require_root
from vxnet.datapath.layout import FDB_STATIC, LAYOUT, MEANING, FdbKey, FdbValue, State, fields_of
from vxnet.datapath.libbpf import objects, rawmap
from vxnet.datapath.maps import SIZES, Maps
from vxnet.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.datapath.libbpf.loading import Loaded
    from vxnet.datapath.libbpf.objects import Program

log = logging.getLogger("vxnetd")

_PERCPU_ARRAY = 6  # enum bpf_map_type
_CHUNK = 4096
_STATE = c_uint32(0)
_FDB = fields_of(FdbValue, "flags", "last_seen")

_COARSE = 10**9
"""Nanoseconds. The programs' clock is behind by up to a tick of the kernel: rather once more than not at all."""


class Found(NamedTuple):
    """A switch that has been taken over; without ``programs`` they are still those of who was here before."""

    maps: Maps
    programs: dict[str, int]


def take_over(run_dir: Path) -> Found | None:
    """Return what the daemon of ``run_dir`` left in the kernel, laid out as this version has it; None for nothing.

    HostError if it is of a version that means other things by the same fields, and KernelError if there is no memory.
    """
    require_root()
    program = program_of(run_dir)
    if program is None:
        return None
    if maps := maps_of(program):
        return Found(maps, {})
    theirs = dict(filter(None, map(objects.map_by_id, program.map_ids)))
    try:
        return _taken_over(run_dir, theirs, program)
    finally:
        for fd in theirs.values():
            os.close(fd)


def _taken_over(run_dir: Path, theirs: dict[str, int], program: Program) -> Found:
    if _meaning(theirs) != MEANING:
        message = (
            f"program {program.id} is in the kernel by a version of vxnet whose maps this one cannot read; take it "
            "away with `vxnet down` of that version, or with `ip link delete` of its VXLAN device and `vxnet down`"
        )
        raise HostError(message)
    # As large as theirs, which may have grown (room.py).
    ours = load(elements={name: objects.map_info(fd).max_entries for name, fd in theirs.items() if name in SIZES})
    maps = Maps(ours.maps)
    since = time.monotonic_ns() - _COARSE
    try:
        for name, (key_size, _) in SIZES.items():
            if name in theirs and key_size:  # what is in a ring buffer is not for later
                _copy(theirs[name], ours.maps[name])
        state = maps.state.get(_STATE) or State()
        state.layout = LAYOUT
        maps.state.put(_STATE, state)
        replaced = _replace(run_dir, ours, maps.instance)
        _copy_learned(theirs["fdb"], maps, since)
    except BaseException:
        for fd in ours.programs.values():
            os.close(fd)
        maps.close()
        raise
    log.info("took over the switch of another version of vxnet: new maps, and %d programs replaced", replaced)
    return Found(maps, ours.programs)


def _meaning(theirs: dict[str, int]) -> int | None:
    """Return what a switch means by its fields; None if it is from before that was written down."""
    if "state" not in theirs:
        return None
    place = btf.shape(theirs["state"]).value.get("meaning")
    value = (c_uint8 * objects.map_info(theirs["state"]).value_size)()
    if place is None or not rawmap.lookup(theirs["state"], _STATE, value):
        return None
    offset, size = place
    return int.from_bytes(bytes(value[offset : offset + size]), "little")


# ---- elements ------------------------------------------------------------------------------------------------------


class _Way:
    """How keys or values get from one layout into another: one byte of all at a time, as there may be millions."""

    def __init__(self, name: str, here: btf.Fields, there: btf.Fields, *, old: int, new: int) -> None:
        """``old`` and ``new`` are how far one is from the next, in bytes."""
        self._name, self._old, self._new = name, old, new
        both = here.keys() & there.keys()
        # Integers are little-endian, names end with zeros: what is longer goes on with zeros.
        self._moves = [(here[f][0], there[f][0], min(here[f][1], there[f][1])) for f in both]
        self._cut = [(here[f][0] + there[f][1], sum(here[f])) for f in both if here[f][1] > there[f][1]]

    def taken(self, raw: bytes) -> bytes:
        """Return the same as they are laid out there. HostError if one does not fit into a smaller field there."""
        for at in (at for begin, end in self._cut for at in range(begin, end)):
            if any(raw[at :: self._old]):
                message = f"eBPF map {self._name}: an element of another version of vxnet does not fit into this one's"
                raise HostError(message)
        laid = bytearray(len(raw) // self._old * self._new)
        for begin, to, length in self._moves:
            for at in range(length):
                laid[to + at :: self._new] = raw[begin + at :: self._old]
        return bytes(laid)


def _elements(theirs: int, ours: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield the elements of one map as the other has them, many at a time: keys, values (of each CPU), how many."""
    old, new = objects.map_info(theirs), objects.map_info(ours)
    here, there, name = btf.shape(theirs), btf.shape(ours), new.name.decode()
    keys = _Way(name, here.key, there.key, old=old.key_size, new=new.key_size)
    values = _Way(name, here.value, there.value, old=_stride(old), new=_stride(new))
    cpus = rawmap.cpus() if new.type == _PERCPU_ARRAY else 1
    for raw_keys, raw_values, count in rawmap.batches(theirs, old.key_size, cpus * _stride(old), _CHUNK):
        taken = keys.taken(raw_keys[: count * old.key_size])
        yield taken, values.taken(raw_values[: count * cpus * _stride(old)]), count


def _stride(info: objects.MapInfo) -> int:
    """Return from one CPU's value to the next one's, in bytes; the value's size where there is only one."""
    size = int(info.value_size)
    return -(-size // 8) * 8 if info.type == _PERCPU_ARRAY else size


def _copy(theirs: int, ours: int) -> None:
    for keys, values, count in _elements(theirs, ours):
        rawmap.update_batch(ours, keys, values, count)


def _copy_learned(theirs: int, maps: Maps, since: int) -> None:
    """Copy what has been learned, or seen again, ``since`` then (ns), and by the new programs not after that."""
    for keys, values, _ in _elements(theirs, maps.fdb.fd):
        for at, (flags, seen) in enumerate(_FDB.iter_unpack(values)):
            if flags & FDB_STATIC or seen < since:
                continue
            key = FdbKey.from_buffer_copy(keys, at * sizeof(FdbKey))
            there = maps.fdb.get(key)
            if there is None or there.last_seen < seen:
                maps.fdb.put(key, FdbValue.from_buffer_copy(values, at * sizeof(FdbValue)))


# ---- programs ------------------------------------------------------------------------------------------------------


def _replace(run_dir: Path, ours: Loaded, instance: int) -> int:
    """Put our programs in the place of all others that belong to ``run_dir``; return how many."""
    there = attach.programs_of_all(devices().by_index)
    theirs = [
        found
        for found in there
        if found.program.name in {ACCESS, UNDERLAY, OVERLAY}
        and not found.of(instance)
        and owner_of(found.program) == alias(run_dir)
    ]
    for found in sorted(theirs, key=lambda found: found.program.name == OVERLAY):
        attach.replace(found, ours.programs[found.program.name])
    return len(theirs)
