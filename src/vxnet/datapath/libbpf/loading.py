# SPDX-License-Identifier: Apache-2.0
"""An object file's programs and maps, into the kernel; maps that are there already may take the place of new ones."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_char_p, c_int, c_uint32, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vxnet.datapath.libbpf.binding import failed, library, said
from vxnet.errors import HostError, KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.bpf_object__open_file.restype = c_void_p
    lib.bpf_object__open_file.argtypes = (c_char_p, c_void_p)
    lib.bpf_object__load.argtypes = (c_void_p,)
    lib.bpf_object__close.argtypes = (c_void_p,)
    lib.bpf_object__close.restype = None
    lib.bpf_object__next_map.restype = c_void_p
    lib.bpf_object__next_map.argtypes = (c_void_p, c_void_p)
    lib.bpf_object__next_program.restype = c_void_p
    lib.bpf_object__next_program.argtypes = (c_void_p, c_void_p)
    lib.bpf_map__name.restype = c_char_p
    lib.bpf_program__name.restype = c_char_p
    for name in ("map__name", "map__fd", "map__key_size", "map__value_size", "program__name", "program__fd"):
        getattr(lib, f"bpf_{name}").argtypes = (c_void_p,)
    lib.bpf_map__reuse_fd.argtypes = (c_void_p, c_int)
    lib.bpf_map__set_max_entries.argtypes = (c_void_p, c_uint32)
    lib.bpf_map__max_entries.restype = c_uint32
    lib.bpf_map__max_entries.argtypes = (c_void_p,)
    lib.bpf_prog_bind_map.argtypes = (c_int, c_int, c_void_p)
    return lib


class Loaded(NamedTuple):
    """Descriptors of what an object file brought into the kernel, by name; they outlive the object."""

    programs: dict[str, int]
    maps: dict[str, int]


def load(path: str, reuse: dict[str, int], sizes: dict[str, tuple[int, int]], elements: Mapping[str, int]) -> Loaded:
    """Load the object at ``path``, with the maps in ``reuse`` (name to descriptor) in place of new ones.

    New ones hold as many elements as the object says, or as ``elements`` says if that is more. ``sizes`` holds the key
    and value size that Python believes of each map; a difference is a defect of the build.
    """
    lib = _lib()
    said.clear()
    handle = lib.bpf_object__open_file(path.encode(), None)
    if not handle:
        message = f"{path}: cannot be read as an eBPF object; build it with `make setup`"
        raise HostError(message)
    try:
        for pointer in _each(lib.bpf_object__next_map, handle):
            name = lib.bpf_map__name(pointer).decode()
            found = (lib.bpf_map__key_size(pointer), lib.bpf_map__value_size(pointer))
            if name in sizes and found != sizes[name]:
                message = f"{path}: map {name} has sizes {found}, layout.py says {sizes[name]}; run `make setup`"
                raise HostError(message)
            if name in reuse:
                code = lib.bpf_map__reuse_fd(pointer, reuse[name])
            else:
                least = max(elements.get(name, 0), lib.bpf_map__max_entries(pointer))
                code = lib.bpf_map__set_max_entries(pointer, least)
            if code:
                what = f"taking over map {name}" if name in reuse else f"sizing map {name}"
                raise failed(what, code)
        if code := lib.bpf_object__load(handle):
            if -code == errno.ENOMEM:
                message = (
                    "the kernel has no memory for the eBPF maps and programs; "
                    "free some, or raise the limit of this process's cgroup (systemd: MemoryMax)"
                )
                raise KernelError(message)
            detail = next((line for line in said if "failed" in line), "").replace("\n", " ")[:300]
            what = f"the kernel does not take the eBPF programs ({detail})"
            raise failed(what, code)
        return Loaded(
            {
                lib.bpf_program__name(p).decode(): os.dup(lib.bpf_program__fd(p))
                for p in _each(lib.bpf_object__next_program, handle)
            },
            {
                lib.bpf_map__name(m).decode(): os.dup(lib.bpf_map__fd(m))
                for m in _each(lib.bpf_object__next_map, handle)
            },
        )
    finally:
        lib.bpf_object__close(handle)


def close(loaded: Loaded) -> None:
    """Give back the descriptors of what was loaded."""
    for fd in (*loaded.programs.values(), *loaded.maps.values()):
        os.close(fd)


def _each(following: Any, handle: int) -> Iterator[int]:  # noqa: ANN401  (a ctypes function has no better type)
    pointer = following(handle, None)
    while pointer:
        yield pointer
        pointer = following(handle, pointer)


def bind_map(prog_fd: int, map_fd: int) -> None:
    """Let the program hold the map as long as it lives, whether its instructions use it or not (Linux 5.10)."""
    if code := _lib().bpf_prog_bind_map(prog_fd, map_fd, None):
        what = "tying an eBPF map to a program"
        raise failed(what, code)
