# SPDX-License-Identifier: Apache-2.0
"""Programs at the ingress of a device by a filter of its clsact qdisc: a place is a handle and a priority."""

from __future__ import annotations

import ctypes
import errno
from ctypes import POINTER, byref, c_int, c_size_t, c_uint32
from functools import cache

from vxnet.datapath.libbpf.binding import failed, library, said

_TC_INGRESS = 1
_TC_F_REPLACE = 1


class TcHook(ctypes.Structure):
    """struct bpf_tc_hook."""

    _fields_ = (("sz", c_size_t), ("ifindex", c_int), ("attach_point", c_int), ("parent", c_uint32), ("pad", c_uint32))


class TcOpts(ctypes.Structure):
    """struct bpf_tc_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
        ("pad", c_uint32),
    )


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.bpf_tc_hook_create.argtypes = (POINTER(TcHook),)
    for name in ("bpf_tc_attach", "bpf_tc_detach", "bpf_tc_query"):
        getattr(lib, name).argtypes = (POINTER(TcHook), POINTER(TcOpts))
    return lib


def attach(ifindex: int, prog_fd: int, handle: int, priority: int, *, replace: bool) -> bool:
    """Attach a program at this place; False if there is a filter already, and it is not to be replaced (atomically)."""
    lib = _lib()
    hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=_TC_INGRESS)
    said.clear()
    if (code := lib.bpf_tc_hook_create(byref(hook))) not in {0, -errno.EEXIST}:
        what = f"adding clsact to device {ifindex}"
        raise failed(what, code)
    flags = _TC_F_REPLACE if replace else 0
    options = TcOpts(sz=ctypes.sizeof(TcOpts), prog_fd=prog_fd, flags=flags, handle=handle, priority=priority)
    code = lib.bpf_tc_attach(byref(hook), byref(options))
    if code == -errno.EEXIST and not replace:
        return False
    if code:
        what = f"attaching a program to device {ifindex}"
        raise failed(what, code)
    return True


def query(ifindex: int, handle: int, priority: int) -> int | None:
    """The id of the program attached at this place, or None."""
    hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=_TC_INGRESS)
    options = TcOpts(sz=ctypes.sizeof(TcOpts), handle=handle, priority=priority)
    code = _lib().bpf_tc_query(byref(hook), byref(options))
    if code in {-errno.ENOENT, -errno.EINVAL, -errno.ENODEV}:
        return None
    if code:
        what = f"asking for the program on device {ifindex}"
        raise failed(what, code)
    return int(options.prog_id)


def detach(ifindex: int, handle: int, priority: int) -> None:
    """Take the program at this place away, and nothing else; nothing there, or no device, is fine."""
    hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=_TC_INGRESS)
    options = TcOpts(sz=ctypes.sizeof(TcOpts), handle=handle, priority=priority)
    code = _lib().bpf_tc_detach(byref(hook), byref(options))
    if code not in {0, -errno.ENOENT, -errno.EINVAL, -errno.ENODEV}:
        what = f"detaching the program from device {ifindex}"
        raise failed(what, code)
