# SPDX-License-Identifier: Apache-2.0
"""One host's vxnet, used as a person uses it: `vxnet up`, `vxnet fdb`, `vxnet stats`, `vxnet down`, in the host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from demo.narration import Narrator
    from vxnet.lab import Node

UP_TIMEOUT = 120.0
"""Seconds that `vxnet up` and `vxnet down` may take; ordinarily it is one or two."""


class Entry(msgspec.Struct, frozen=True):
    """One row of `vxnet fdb --json`, as far as the demo looks: ``mac`` is at ``port`` or behind ``remote``."""

    vni: int
    mac: str
    port: str | None = None
    remote: str | None = None

    @property
    def place(self) -> str:
        """The port's device name, or the remote's address."""
        return self.port or self.remote or ""


class _Stats(msgspec.Struct, frozen=True):
    """What the demo reads of `vxnet stats --json`: frames that were not forwarded, by reason."""

    drops: dict[str, int]


class Vtep:
    """vxnet in ``node``, with its own run directory; ``host_file`` says what the host is to be."""

    def __init__(self, tell: Narrator, node: Node, host_file: Path, run_dir: Path) -> None:
        self.node = node
        self.host_file = host_file
        self._tell = tell
        self._run_dir = ("--run-dir", str(run_dir))
        self._running = False

    def up(self) -> None:
        """Start this host. Raises LabError, with what was printed, if that fails."""
        self._running = True  # also when it fails half-way: then there is something to take down
        self._run("up", str(self.host_file))

    def down(self) -> None:
        """Take vxnet off this host, if it was started. Raises LabError if that fails."""
        if self._running:
            self._run("down")
            self._running = False

    def fdb(self) -> set[Entry]:
        """The forwarding table."""
        return set(msgspec.json.decode(self._run("fdb", "--json"), type=list[Entry]))

    def knows(self, vni: int) -> dict[str, str]:
        """Where each MAC of a segment is: the port's device name, or the remote's address."""
        return {entry.mac: entry.place for entry in self.fdb() if entry.vni == vni}

    def drops(self) -> dict[str, int]:
        """How many frames were not forwarded, by reason."""
        return msgspec.json.decode(self._run("stats", "--json"), type=_Stats).drops

    def show_fdb(self) -> None:
        """Show the forwarding table as the command prints it."""
        self._tell.command(self.node.name, "vxnet fdb")
        self._tell.output(self._run("fdb"))

    def _run(self, command: str, *words: str) -> str:
        return self.node.run(*vxnet(), command, *words, *self._run_dir, timeout=UP_TIMEOUT).stdout


def vxnet() -> tuple[str, ...]:
    """The command `vxnet` that belongs to this Python: the script beside it, or the module where there is none."""
    beside = Path(sys.executable).with_name("vxnet")
    return (str(beside),) if beside.exists() else (sys.executable, "-m", "vxnet.cli.main")
