# SPDX-License-Identifier: Apache-2.0
"""libbpf itself: found, told where to say what is wrong, and its error codes as errors."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_char_p, c_int, c_size_t, c_void_p
from functools import cache

from vxnet.errors import HostError, KernelError

_LIBBPF_WARN = 0

said: list[str] = []
"""What libbpf has warned of, since somebody cleared it."""

_vsnprintf = ctypes.CDLL(None).vsnprintf
_vsnprintf.argtypes = (c_char_p, c_size_t, c_char_p, c_void_p)


def _keep_warning(level: int, form: bytes, arguments: int) -> int:
    """libbpf explains a failed load in words: keep them for the error's message."""
    if level == _LIBBPF_WARN:
        text = ctypes.create_string_buffer(65536)
        _vsnprintf(text, len(text), form, arguments)
        said.append(text.value.decode(errors="replace").strip())
    return 0


_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)(_keep_warning)  # libbpf keeps the pointer: so do we


@cache
def library() -> ctypes.CDLL:
    """Return the library. HostError if it is not installed."""
    try:
        lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        message = f"libbpf.so.1 cannot be loaded ({error}); install it (Debian: apt-get install libbpf1)"
        raise HostError(message) from error
    lib.libbpf_set_print(_PRINT)
    return lib


def failed(what: str, code: int) -> KernelError:
    """Return the error that says ``what`` has failed, and why: ``code`` is errno's, of either sign."""
    number = abs(code)
    hint = "; run as root (CAP_BPF, CAP_NET_ADMIN)" if number in {errno.EPERM, errno.EACCES} and os.geteuid() else ""
    return KernelError(f"{what}: {os.strerror(number)}{hint}")
