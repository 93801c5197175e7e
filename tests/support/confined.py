# SPDX-License-Identifier: Apache-2.0
"""`python tests/support/confined.py UNIT COMMAND...`: a command within what a systemd unit allows, without systemd.

    CapabilityBoundingSet, NoNewPrivileges       prctl(2)
    SystemCallFilter, SystemCallErrorNumber      libseccomp, with systemd's own groups of system calls
    RestrictAddressFamilies, RestrictNamespaces  likewise
    MemoryDenyWriteExecute                       PR_SET_MDWE of Linux 6.3; systemd 252 filters mmap for it

The settings that mount are left out: they hide files, and say nothing about the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.daemon import privileges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
_ALLOW, _ERRNO, _EQUAL = 0x7FFF0000, 0x00050000, 4
_NAMESPACES = {"setns", "unshare"}


class _Compare(ctypes.Structure):
    """struct scmp_arg_cmp (seccomp_rule_add(3))."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def settings(unit: Path) -> Iterator[tuple[str, str]]:
    """Yield each setting of a unit and its value; lines that go on are put together."""
    for line in unit.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        name, is_one, value = line.partition("=")
        if is_one and name.isalpha():
            yield name, value


def capabilities(unit: Path) -> frozenset[privileges.Capability]:
    """Return the unit's bounding set."""
    names = dict(settings(unit))["CapabilityBoundingSet"].split()
    return frozenset(privileges.Capability[name.removeprefix("CAP_")] for name in names)


def confined(unit: Path) -> tuple[str, ...]:
    """Return the words to put before a command."""
    return sys.executable, __file__, str(unit)


def _calls(group: str) -> set[str]:
    """Return the system calls of a group, as systemd has it."""
    told = subprocess.run(("systemd-analyze", "syscall-filter", group), capture_output=True, text=True, check=True)
    words = [line.strip() for line in told.stdout.splitlines()[1:]]
    return _all(word for word in words if word and not word.startswith("#"))


def _all(words: Iterable[str]) -> set[str]:
    return {call for word in words for call in (_calls(word) if word.startswith("@") else {word})}


def _allowed(unit: Path) -> set[str]:
    allowed: set[str] = set()
    for name, value in settings(unit):
        if name == "SystemCallFilter":
            words = _all(value.removeprefix("~").split())
            allowed = allowed - words if value.startswith("~") else allowed | words
    return allowed - _NAMESPACES


def _filter(unit: Path) -> None:
    families = dict(settings(unit))["RestrictAddressFamilies"].split()
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(_ERRNO | errno.EPERM))
    for call in _allowed(unit):
        number = lib.seccomp_syscall_resolve_name(call.encode())
        if call != "socket" and number >= 0:  # there are calls of other architectures
            _done(lib.seccomp_rule_add_array(context, _ALLOW, number, 0, None))
    number = lib.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        compare = _Compare(0, _EQUAL, socket.AddressFamily[family], 0)
        _done(lib.seccomp_rule_add_array(context, _ALLOW, number, 1, ctypes.byref(compare)))
    _done(lib.seccomp_load(context))


def _done(code: int) -> None:
    if code:
        raise OSError(-code, os.strerror(-code))


def main() -> None:
    """Confine this process, and let the command take its place."""
    unit, *command = sys.argv[1:]
    privileges.keep(capabilities(Path(unit)))
    if ctypes.CDLL(None).prctl(_PR_SET_MDWE, *map(ctypes.c_ulong, (_PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))):
        raise OSError("this kernel has no PR_SET_MDWE")
    _filter(Path(unit))
    os.execvp(command[0], command)  # noqa: S606  (there is no shell)


if __name__ == "__main__":
    main()
