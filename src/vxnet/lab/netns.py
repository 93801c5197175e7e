# SPDX-License-Identifier: Apache-2.0
"""Network namespaces by name (``/run/netns/NAME``): being inside one, what lives there, and whose it is."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import HostError, LabError
from vxnet.lab.steps import MARK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

RUN = Path("/run/netns")
"""Where iproute2 keeps the named namespaces."""

CLONE_NEWNET = 0x40000000
"""linux/sched.h."""

SIOCGIFHWADDR = 0x8927
IFREQ_NAME = struct.Struct("16s24x")
"""linux/sockios.h, and struct ifreq with its name alone (linux/if.h)."""

GRACE = 2.0
"""Seconds between asking a process to end (SIGTERM) and ending it (SIGKILL)."""

_libc = ctypes.CDLL(None, use_errno=True)


def require_root() -> None:
    """Raise HostError unless this process may make network namespaces."""
    if os.geteuid() != 0:
        raise HostError("a lab is made of network namespaces, which needs root: try sudo")


def exists(namespace: str) -> bool:
    """Whether there is a namespace of that name."""
    return (RUN / namespace).exists()


def names() -> list[str]:
    """The names of all namespaces of this machine."""
    return sorted(path.name for path in RUN.iterdir()) if RUN.is_dir() else []


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Be inside ``namespace`` with this thread: sockets, TAPs, processes and threads it makes meanwhile belong there.

    /proc/sys/net and netlink show the namespace; /sys goes on showing the one it was mounted in.
    Raises LabError if there is no such namespace.
    """
    try:
        there = os.open(RUN / namespace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"namespace {namespace} does not exist: is the lab up?") from None
    try:
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            try:
                yield
            finally:
                _setns(here)
        finally:
            os.close(here)
    finally:
        os.close(there)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise HostError(f"cannot enter a network namespace: {os.strerror(error)}")


def mac(device: str) -> str:
    """The MAC address of a device in the namespace this thread is in. Raises LabError if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            reply = fcntl.ioctl(sock, SIOCGIFHWADDR, IFREQ_NAME.pack(device.encode()))
        except OSError as error:
            raise LabError(f"device {device}: {error.strerror}") from None
    return reply[18:24].hex(":")


def mark(namespace: str) -> str:
    """The mark a lab left on ``namespace`` ("vxnet lab NAME FILE"), or "" if it is not a lab's."""
    done = subprocess.run(
        ("ip", "-n", namespace, "-j", "link", "show", "lo"), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return ""
    alias = str(json.loads(done.stdout)[0].get("ifalias", ""))
    return alias if alias.startswith(MARK) else ""


def unfinished(namespace: str) -> bool:
    """Whether nothing in ``namespace`` is up, not even lo: a lab that was stopped half-way leaves such ones."""
    done = subprocess.run(("ip", "-n", namespace, "-j", "link"), capture_output=True, text=True, check=False)
    links = json.loads(done.stdout) if done.returncode == 0 else []
    return all("UP" not in link["flags"] for link in links)


def processes(namespaces: Collection[str]) -> list[int]:
    """The processes that live in any of ``namespaces``, except this one and those it was started from."""
    wanted = set()
    for namespace in namespaces:
        with contextlib.suppress(FileNotFoundError):
            wanted.add((RUN / namespace).stat().st_ino)
    spared = set(_ancestors())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) not in spared:
            with contextlib.suppress(OSError):  # it ended meanwhile
                if (entry / "ns/net").stat().st_ino in wanted:
                    found.append(int(entry.name))
    return found


def _ancestors() -> Iterator[int]:
    """This process and its parents: a shell inside the lab may take the lab down, and must outlive that."""
    pid = os.getpid()
    while pid > 0:
        yield pid
        # pid (name, which may hold anything) state parent ...
        pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def end(pids: Collection[int]) -> None:
    """End processes: SIGTERM, and SIGKILL for those that are still there after GRACE seconds.

    Works on pidfds, so a number that is given to another process meanwhile is not hit.
    """
    fds = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            fds.append(os.pidfd_open(pid))
    try:
        left = _signalled(fds, signal.SIGTERM)
        if left:
            _signalled(left, signal.SIGKILL)
    finally:
        for fd in fds:
            os.close(fd)


def _signalled(fds: list[int], number: signal.Signals) -> list[int]:
    """Send a signal, wait for the processes to end, and return those that did not within GRACE seconds."""
    poll = select.poll()
    for fd in fds:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, number)
        poll.register(fd, select.POLLIN)  # a pidfd is readable once its process has ended
    left, deadline = set(fds), time.monotonic() + GRACE
    while left and (wait := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(wait * 1000):
            poll.unregister(fd)
            left.discard(fd)
    return sorted(left)
