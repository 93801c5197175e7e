# SPDX-License-Identifier: Apache-2.0
"""What a daemon may do: a few capabilities of root's, and no way to get more (capabilities(7)).

    all of root's  --keep_few()-->  NET_ADMIN          devices, addresses, routes, filters, tcx
                                    BPF, PERFMON       loading programs and maps, reading the kernel's memory in them
                                    SYS_ADMIN          finding programs and maps by their ids, which is how those that
                                                       an earlier daemon left are found: nothing is pinned
                                    SYS_RESOURCE       maps count as locked memory before Linux 5.11
                                    NET_BIND_SERVICE   is a UDP port below 1024 free?

It can override no file's mode any more, kill nobody, and load no module; and what it might start gets no rights back
(no_new_privs). Once given up they are gone: a daemon is started anew to have them.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from vxnet.errors import HostError

DAC_OVERRIDE, NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN, SYS_RESOURCE, PERFMON, BPF = 1, 10, 12, 21, 24, 38, 39
"""linux/capability.h"""

KEPT: Final = frozenset({NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN, SYS_RESOURCE, PERFMON, BPF})

_LAST = 63
_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 23, 24, 38
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    """32 capabilities; two of these are all."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def keep_few(*more: int) -> None:
    """Give up every capability of this thread but `KEPT` and ``more``, for itself and what it starts, threads included.

    Those to be kept that it has not are no error here: what needs them says so. HostError if the kernel refuses.
    """
    kept = KEPT | set(more)
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST + 1):
        if capability not in kept and libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            _ask(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
    header, sets = _Header(_VERSION_3, 0), (_Set * 2)()
    _ask(libc.capget(ctypes.byref(header), sets))
    for number, half in enumerate(sets):
        mask = sum(1 << capability % 32 for capability in kept if capability // 32 == number)
        half.permitted &= mask
        half.effective = half.permitted
        half.inheritable = 0
    _ask(libc.capset(ctypes.byref(header), sets))
    _ask(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _ask(answer: int) -> None:
    if answer:
        error = ctypes.get_errno()
        message = f"giving up capabilities: {os.strerror(error)}"
        raise HostError(message)
