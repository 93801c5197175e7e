# SPDX-License-Identifier: Apache-2.0
"""A group of processes that may have so much memory and no more: what the kernel gives to their eBPF maps counts."""

from __future__ import annotations

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
    """A cgroup; its own process is started by `words`."""

    def __init__(self, path: Path, knob: str) -> None:
        self._path, self._knob = path, knob

    def limit(self, mebibytes: int) -> None:
        """Let them have this much."""
        (self._path / self._knob).write_text(str(mebibytes << 20), encoding="ascii")

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
        made = Group(_V1 / name, "memory.limit_in_bytes")
        (_V1 / name).mkdir()
    elif "memory" in (_V2 / "cgroup.subtree_control").read_text(encoding="ascii").split():
        made = Group(_V2 / name, "memory.max")
        (_V2 / name).mkdir()
    else:
        pytest.skip("no cgroup limits memory on this machine")
    try:
        yield made
    finally:
        wait_until(made.remove, what="the cgroup to be empty")
