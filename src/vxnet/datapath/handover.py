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
from ctypes import c_uint8, c_uint32
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import attach, btf
from vxnet.datapath.devices import devices
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, alias, load, maps_of, owner_of, program_of, require_root
from vxnet.datapath.layout import FDB_STATIC, LAYOUT, MEANING, FdbKey, FdbValue, State
from vxnet.datapath.libbpf import objects, rawmap
from vxnet.datapath.maps import SIZES, Maps
from vxnet.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.datapath.libbpf.loading import Loaded
    from vxnet.datapath.libbpf.objects import Program

log = logging.getLogger("vxnetd")

_ARRAY, _PERCPU_ARRAY = 2, 6  # enum bpf_map_type
_CHUNK = 4096
_STATE = c_uint32(0)


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
    try:
        for name, (key_size, _) in SIZES.items():
            if name in theirs and key_size:  # what is in a ring buffer is not for later
                _copy(theirs[name], ours.maps[name])
        state = maps.state.get(_STATE) or State()
        state.layout = LAYOUT
        maps.state.put(_STATE, state)
        replaced = _replace(run_dir, ours, maps.instance)
        _copy_learned(theirs["fdb"], maps)
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
    """How the bytes of keys or values get from one layout into another."""

    def __init__(self, name: str, here: btf.Fields, there: btf.Fields, size: int) -> None:
        self._name, self._size = name, size
        both = here.keys() & there.keys()
        # Integers are little-endian, names end with zeros: what is longer goes on with zeros.
        self._moves = [(here[f][0], there[f][0], min(here[f][1], there[f][1])) for f in both]
        self._cut = [(here[f][0] + there[f][1], sum(here[f])) for f in both if here[f][1] > there[f][1]]

    def taken(self, raw: bytes) -> bytes:
        """Return the same as it is laid out there. HostError if it does not fit into a field that is smaller there."""
        for begin, end in self._cut:
            if any(raw[begin:end]):
                message = f"eBPF map {self._name}: an element of another version of vxnet does not fit into this one's"
                raise HostError(message)
        laid = bytearray(self._size)
        for begin, to, length in self._moves:
            laid[to : to + length] = raw[begin : begin + length]
        return bytes(laid)


def _elements(theirs: int, ours: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield the elements of one map as the other has them: keys, and values (of each CPU) that are not all zero."""
    old, new = objects.map_info(theirs), objects.map_info(ours)
    here, there, name = btf.shape(theirs), btf.shape(ours), new.name.decode()
    keys, values = _Way(name, here.key, there.key, new.key_size), _Way(name, here.value, there.value, new.value_size)
    cpus = rawmap.cpus() if new.type == _PERCPU_ARRAY else 1
    stride, wide = (_stride(info) for info in (old, new))
    for raw_keys, raw_values, count in rawmap.batches(theirs, old.key_size, cpus * stride, _CHUNK):
        elements = []
        for n in range(count):
            each = [raw_values[at : at + stride] for at in range(n * cpus * stride, (n + 1) * cpus * stride, stride)]
            value = b"".join(values.taken(one).ljust(wide, b"\0") for one in each)
            # Arrays begin with zeros. A hash map's element may be zero and say something.
            if any(value) or new.type not in {_ARRAY, _PERCPU_ARRAY}:
                elements.append((keys.taken(raw_keys[n * old.key_size : (n + 1) * old.key_size]), value))
        if elements:
            yield elements


def _stride(info: objects.MapInfo) -> int:
    """Return from one CPU's value to the next one's, in bytes; the value's size where there is only one."""
    size = int(info.value_size)
    return -(-size // 8) * 8 if info.type == _PERCPU_ARRAY else size


def _copy(theirs: int, ours: int) -> None:
    for elements in _elements(theirs, ours):
        keys, values = (b"".join(side) for side in zip(*elements, strict=True))
        rawmap.update_batch(ours, keys, values, len(elements))


def _copy_learned(theirs: int, maps: Maps) -> None:
    """Copy what has been learned, or seen again, since it was copied, and by the new programs not since then."""
    fdb = maps.fdb
    for raw_key, raw_value in chain.from_iterable(_elements(theirs, fdb.fd)):
        key, value = FdbKey.from_buffer_copy(raw_key), FdbValue.from_buffer_copy(raw_value)
        there = fdb.get(key)
        if not value.flags & FDB_STATIC and (there is None or there.last_seen < value.last_seen):
            fdb.put(key, value)


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
