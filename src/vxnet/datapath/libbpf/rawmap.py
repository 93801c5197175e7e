# SPDX-License-Identifier: Apache-2.0
"""The elements of a map as they lie in memory: one, or many with one system call. maps.py makes typed values of them.

Where a call fails, the map is asked for its name and size, to say which and how full.
"""

from __future__ import annotations

import ctypes
import errno
from ctypes import POINTER, byref, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any

from vxnet.datapath.libbpf.binding import failed, library
from vxnet.datapath.libbpf.objects import map_info
from vxnet.errors import MapFullError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.errors import KernelError

_BPF_ANY = 0  # whether there is one or not


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.bpf_map_lookup_elem.argtypes = (c_int, c_void_p, c_void_p)
    lib.bpf_map_update_elem.argtypes = (c_int, c_void_p, c_void_p, c_uint64)
    lib.bpf_map_delete_elem.argtypes = (c_int, c_void_p)
    lib.bpf_map_lookup_batch.argtypes = (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p)
    lib.bpf_map_update_batch.argtypes = (c_int, c_void_p, c_void_p, POINTER(c_uint32), c_void_p)
    return lib


def lookup(fd: int, key: Any, value: Any) -> bool:  # noqa: ANN401  (any ctypes value)
    """Read the element ``key`` into ``value``; False if there is none."""
    code = _lib().bpf_map_lookup_elem(fd, byref(key), byref(value))
    if code == -errno.ENOENT:
        return False
    if code:
        what = "reading an eBPF map"
        raise failed(what, code)
    return True


def update(fd: int, key: Any, value: Any) -> None:  # noqa: ANN401  (any ctypes value)
    """Write an element. MapFullError if there is no room."""
    if code := _lib().bpf_map_update_elem(fd, byref(key), byref(value), _BPF_ANY):
        raise _not_written(fd, code)


def update_batch(fd: int, keys: bytes, values: bytes, count: int) -> None:
    """Write ``count`` elements, one after another. MapFullError if there is no room for all: some are written then."""
    done = c_uint32(count)
    if code := _lib().bpf_map_update_batch(fd, keys, values, byref(done), None):
        raise _not_written(fd, code)


def _not_written(fd: int, code: int) -> KernelError:
    info = map_info(fd)
    name = info.name.decode()
    if code in {-errno.E2BIG, -errno.ENOSPC}:  # of a hash map, of a trie
        return MapFullError(name, info.max_entries)
    return failed(f"writing eBPF map {name}", code)


def delete(fd: int, key: Any) -> bool:  # noqa: ANN401  (any ctypes value)
    """Delete an element; False if there was none."""
    code = _lib().bpf_map_delete_elem(fd, byref(key))
    if code == -errno.ENOENT:
        return False
    if code:
        what = "deleting from an eBPF map"
        raise failed(what, code)
    return True


def batches(fd: int, key_size: int, value_size: int, chunk: int) -> Iterator[tuple[bytes, bytes, int]]:
    """All elements, as (keys, values, count) in one piece of memory per system call.

    Each element that was there the whole time is given exactly once; ``chunk`` is the most elements of one call and
    must hold the longest hash bucket.
    """
    lib = _lib()
    position, following = (c_uint8 * 64)(), (c_uint8 * 64)()
    first = True
    while True:
        keys = ctypes.create_string_buffer(key_size * chunk)
        values = ctypes.create_string_buffer(value_size * chunk)
        count = c_uint32(chunk)
        code = lib.bpf_map_lookup_batch(
            fd, None if first else byref(position), byref(following), keys, values, byref(count), None
        )
        if code not in {0, -errno.ENOENT}:
            if code == -errno.ENOSPC:
                chunk *= 2
                continue
            what = "reading an eBPF map"
            raise failed(what, code)
        if count.value:
            yield keys.raw, values.raw, count.value
        if code:
            return
        position, following, first = following, position, False


def copy(fd: int, other: int, key_size: int, value_size: int, chunk: int) -> None:
    """Write all elements of a map into another one."""
    for keys, values, count in batches(fd, key_size, value_size, chunk):
        update_batch(other, keys, values, count)


@cache
def cpus() -> int:
    """How many values an element of a per-CPU map has: libbpf_num_possible_cpus."""
    return int(_lib().libbpf_num_possible_cpus())
