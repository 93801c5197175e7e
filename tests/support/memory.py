# SPDX-License-Identifier: Apache-2.0
"""A group of processes that may have so much memory and no more: what the kernel gives to their eBPF maps counts."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class Group:
    """A cgroup; a process of its own is started by `words`, or gets there by `join`."""

    def __init__(self, path: Path, knob: str, gauge: str) -> None:
        self._path, self._knob, self._gauge = path, knob, gauge

    def limit(self, mebibytes: int) -> None:
        """Let them have this much."""
        (self._path / self._knob).write_text(str(mebibytes << 20), encoding="ascii")

    def limit_to_what_is_used(self, more: int) -> None:
        """Let them have what they have, and so many bytes more."""
        used = int((self._path / self._gauge).read_text(encoding="ascii"))
        (self._path / self._knob).write_text(str(used + more), encoding="ascii")

    def join(self) -> None:
        """Be in it, with this process."""
        (self._path / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def words(self, *command: str) -> tuple[str, ...]:
        """Return the command that runs ``command`` in the group."""
        return ("sh", "-c", f'echo $$ > {self._path}/cgroup.procs && exec "$@"', "sh", *command)

    def remove(self) -> bool:
        """Take it away; False as long as somebody is in it."""
        try:
            self._path.rmdir()
        except OSError:
            return False
        return True


@contextmanager
def group() -> Iterator[Group]:
    """Make one, of whichever version of cgroups there is."""
    name = f"vxnet-{secrets.token_hex(4)}"
    if (_V1 / "memory.limit_in_bytes").exists():
        made = Group(_V1 / name, "memory.limit_in_bytes", "memory.usage_in_bytes")
        (_V1 / name).mkdir()
    elif "memory" in (_V2 / "cgroup.subtree_control").read_text(encoding="ascii").split():
        made = Group(_V2 / name, "memory.max", "memory.current")
        (_V2 / name).mkdir()
    else:
        pytest.skip("no cgroup limits memory on this machine")
    try:
        yield made
    finally:
        wait_until(made.remove, what="the cgroup to be empty")
