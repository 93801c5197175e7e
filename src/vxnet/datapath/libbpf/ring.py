# SPDX-License-Identifier: Apache-2.0
"""The records of a ring buffer (BPF_MAP_TYPE_RINGBUF), as its one reader takes them."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_size_t, c_void_p
from functools import cache

from vxnet.datapath.libbpf.binding import failed, library

_SAMPLE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
"""What libbpf calls for each record of a ring buffer: (context, record, its size)."""


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.ring_buffer__new.restype = c_void_p
    lib.ring_buffer__new.argtypes = (c_int, _SAMPLE, c_void_p, c_void_p)
    lib.ring_buffer__free.restype = None
    for name in ("ring_buffer__free", "ring_buffer__consume", "ring_buffer__epoll_fd"):
        getattr(lib, name).argtypes = (c_void_p,)
    return lib


class Ring:
    """A ring buffer as its one reader has it."""

    def __init__(self, map_fd: int) -> None:
        """Map it into memory. KernelError if the kernel does not let us."""
        self._taken: list[bytes] = []
        self._keep = _SAMPLE(self._one)  # as long as libbpf may call it
        self._ring = _lib().ring_buffer__new(map_fd, self._keep, None, None)
        if not self._ring:
            what = "opening a ring buffer"
            raise failed(what, -ctypes.get_errno())

    def _one(self, _: int, data: int, size: int) -> int:
        self._taken.append(ctypes.string_at(data, size))
        return 0

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is something."""
        return int(_lib().ring_buffer__epoll_fd(self._ring))

    def take(self) -> list[bytes]:
        """Return all records that are there, and make room for others."""
        if (code := _lib().ring_buffer__consume(self._ring)) < 0:
            what = "reading a ring buffer"
            raise failed(what, code)
        taken, self._taken = self._taken, []
        return taken

    def close(self) -> None:
        """Let go of it."""
        _lib().ring_buffer__free(self._ring)
