# SPDX-License-Identifier: Apache-2.0
"""A program run over one packet, without a device (BPF_PROG_TEST_RUN)."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int, c_size_t, c_uint32, c_void_p
from functools import cache

from vxnet.datapath.libbpf.binding import failed, library


class TestRunOpts(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


@cache
def _lib() -> ctypes.CDLL:
    lib = library()
    lib.bpf_prog_test_run_opts.argtypes = (c_int, POINTER(TestRunOpts))
    return lib


def run(prog_fd: int, packet: bytes, context: bytes = b"", *, repeat: int = 1) -> tuple[int, bytes, int]:
    """Run a program over ``packet``, ``context`` its struct __sk_buff: (action, packet afterwards, ns per run)."""
    out = ctypes.create_string_buffer(len(packet) + 512)
    data = ctypes.create_string_buffer(packet, len(packet))
    ctx = ctypes.create_string_buffer(context, len(context))
    options = TestRunOpts(
        sz=ctypes.sizeof(TestRunOpts),
        data_in=ctypes.addressof(data),
        data_size_in=len(packet),
        data_out=ctypes.addressof(out),
        data_size_out=len(out),
        ctx_in=ctypes.addressof(ctx) if context else None,
        ctx_size_in=len(context),
        repeat=repeat,
    )
    if code := _lib().bpf_prog_test_run_opts(prog_fd, byref(options)):
        what = "test run of a program"
        raise failed(what, code)
    return options.retval, out.raw[: options.data_size_out], options.duration
