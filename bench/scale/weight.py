# SPDX-License-Identifier: Apache-2.0
"""What the kernel has come to hold: the machine's, so nothing else may be at work meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from vxnet.errors import LabError

_KINDS = ("Slab", "Percpu", "VmallocUsed", "KernelStack", "PageTables")
"""The kernel's own, in /proc/meminfo (proc_meminfo(5)); eBPF maps are in the first three."""

_CALM = 2 << 20
_ABOUT = 32 << 20  # a third of a thousand pairs
_PAUSE, _PATIENCE, _FREED = 1.0, 60.0, 600.0


def kernel_memory() -> int:
    """Return the bytes, once they stay the same: what is freed is freed a while later. LabError if they never do."""
    last, deadline = _now(), time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        time.sleep(_PAUSE)
        before, last = last, _now()
        if abs(last - before) < _CALM:
            return last
    raise LabError("the kernel's memory goes up and down; is something else at work on this machine?")


def wait_until_freed(held: int) -> None:
    """Wait until the kernel holds no more than it ``held``. LabError if it goes on doing so.

    It takes namespaces apart after `ip netns delete` has returned, and lets nobody change devices meanwhile.
    """
    deadline = time.monotonic() + _FREED
    while _now() > held + _ABOUT:
        if time.monotonic() > deadline:
            raise LabError(f"the kernel still holds {(_now() - held) >> 20} MiB of devices that were taken away")
        time.sleep(_PAUSE)


def _now() -> int:
    lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words[0].rstrip(":") in _KINDS)
