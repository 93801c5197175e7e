# SPDX-License-Identifier: Apache-2.0
"""What a process of ours may do once it runs: what it needs, and never more again (capabilities(7)).

    bounding set   \
    ambient set     +-- only what is kept: nobody who takes the process over, and nothing it starts, can get more
    permitted, effective
    no_new_privs    no program that is started gains anything, setuid or not

A daemon stays root by its user id: files of root are its own. Without CAP_DAC_OVERRIDE, files of others are not.
"""

from __future__ import annotations

import ctypes
import os
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vxnet.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Collection


class Capability(IntEnum):
    """Those that are spoken of here, by their numbers (linux/capability.h)."""

    DAC_OVERRIDE = 1
    SETPCAP = 8
    NET_ADMIN = 12
    NET_RAW = 13
    SYS_ADMIN = 21


NETWORK: Final = frozenset({Capability.NET_ADMIN, Capability.SYS_ADMIN})
"""What keeping a host's network takes.

NET_ADMIN: netlink, attaching programs, /proc/sys/net. SYS_ADMIN: taking over by their ids the programs and maps that an
earlier daemon left, as nothing is pinned (BPF_PROG_GET_FD_BY_ID, bpf(2)); BPF and PERFMON, which loading takes, are
part of it.
"""

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_VERSION_3 = 0x20080522
_LAST = Path("/proc/sys/kernel/cap_last_cap")

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_Sets = _Half * 2


def keep(kept: Collection[Capability]) -> None:
    """Give up every capability but these, for good; of these, those that the process has.

    Capabilities are a thread's own: to be called before there are others. HostError if the kernel refuses.
    """
    effective = _effective()
    if effective >> Capability.SETPCAP & 1:
        # Who started us without it has chosen the bounding set; with no_new_privs nothing comes out of it any more.
        for number in range(int(_LAST.read_text(encoding="ascii")) + 1):
            if number not in kept and _prctl(_PR_CAPBSET_READ, number):
                _prctl(_PR_CAPBSET_DROP, number)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _set(effective & sum(1 << number for number in kept))


def _effective() -> int:
    sets = _Sets()
    _done(_libc.capget(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(sets)))
    return int(sets[0].effective | sets[1].effective << 32)


def _set(mask: int) -> None:
    """Make this the permitted and effective set; nothing is inheritable."""
    low, high = mask & 0xFFFFFFFF, mask >> 32
    sets = _Sets(_Half(low, low, 0), _Half(high, high, 0))
    _done(_libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(sets)))


def _prctl(option: int, argument: int) -> int:
    words = map(ctypes.c_ulong, (argument, 0, 0, 0))
    return _done(_libc.prctl(option, *words))


def _done(code: int) -> int:
    if code < 0:
        message = f"the capabilities cannot be given up: {os.strerror(ctypes.get_errno())}"
        raise HostError(message)
    return code
