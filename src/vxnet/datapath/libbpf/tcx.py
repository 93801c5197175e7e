# SPDX-License-Identifier: Apache-2.0
"""Programs at the ingress of a device by tcx (Linux 6.6).

libbpf knows tcx from 1.3 on. Older ones pass on what they do not know: a number in the place of a descriptor.
"""

from __future__ import annotations

import ctypes
import errno
from contextlib import nullcontext
from ctypes import POINTER, byref, c_int, c_size_t, c_uint32, c_void_p
from functools import cache

from vxnet.datapath.libbpf.binding import failed, library
from vxnet.datapath.libbpf.objects import opened_program

_TCX_INGRESS = 46  # enum bpf_attach_type
_TCX_PROGRAMS = 64  # BPF_MPROG_MAX: no device has more
_F_REPLACE = 1 << 2


class AttachOpts(ctypes.Structure):
    """struct bpf_prog_attach_opts."""

    _fields_ = (("sz", c_size_t), ("flags", c_uint32), ("replace_prog_fd", c_int))


class QueryOpts(ctypes.Structure):
    """The beginning of struct bpf_prog_query_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("query_flags", c_uint32),
        ("attach_flags", c_uint32),
        ("prog_ids", c_void_p),
        ("prog_cnt", c_uint32),
        ("pad", c_uint32),
        ("prog_attach_flags", c_void_p),
    )


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.bpf_prog_query_opts.argtypes = (c_int, c_int, POINTER(QueryOpts))
    lib.bpf_prog_attach_opts.argtypes = (c_int, c_int, c_int, POINTER(AttachOpts))
    lib.bpf_prog_detach2.argtypes = (c_int, c_int, c_int)
    return lib


def query(ifindex: int) -> list[int] | None:
    """The ids of the programs in the order they run, none if there is no such device; None if the kernel has no tcx."""
    ids = (c_uint32 * _TCX_PROGRAMS)()
    options = QueryOpts(sz=ctypes.sizeof(QueryOpts), prog_ids=ctypes.addressof(ids), prog_cnt=len(ids))
    code = _lib().bpf_prog_query_opts(ifindex, _TCX_INGRESS, byref(options))
    if code == -errno.EINVAL:
        return None
    if code == -errno.ENODEV:
        return []
    if code:
        what = f"asking for the programs on device {ifindex}"
        raise failed(what, code)
    return list(ids[: options.prog_cnt])


def attach(ifindex: int, prog_fd: int, replaced: int | None) -> None:
    """Attach a program after all that are there, or atomically in the place of the one whose id is ``replaced``."""
    options = AttachOpts(sz=ctypes.sizeof(AttachOpts))
    with opened_program(replaced) if replaced else nullcontext() as old:
        if old is not None:
            options.flags, options.replace_prog_fd = _F_REPLACE, old
        if code := _lib().bpf_prog_attach_opts(prog_fd, ifindex, _TCX_INGRESS, byref(options)):
            what = f"attaching a program to device {ifindex}"
            raise failed(what, code)


def detach(ifindex: int, prog_id: int) -> None:
    """Take a program away, and nothing else; not there, or no device, is fine."""
    with opened_program(prog_id) as fd:
        code = _lib().bpf_prog_detach2(fd, ifindex, _TCX_INGRESS) if fd is not None else 0
    if code not in {0, -errno.ENOENT, -errno.ENODEV}:
        what = f"detaching the program from device {ifindex}"
        raise failed(what, code)
