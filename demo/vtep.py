# SPDX-License-Identifier: Apache-2.0
"""One host's vxnet, used as a person uses it: `vxnet up`, `vxnet fdb`, `vxnet stats`, `vxnet down`, in the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from vxnet.errors import LabError
from vxnet.lab.vswitch import vxnet

if TYPE_CHECKING:
    from pathlib import Path

    from demo.narration import Narrator
    from vxnet.lab import Node

T = TypeVar("T")

UP_TIMEOUT = 120.0
"""Seconds that `vxnet up` and `vxnet down` may take; ordinarily it is one or two."""

LOG_TAIL = 2000
"""Characters of the daemon's log that are shown when something fails."""


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
        self._run_dir = run_dir

    def up(self) -> None:
        """Start this host. Raises LabError, with what was printed, if that fails."""
        self._run("up", str(self.host_file))

    def down(self) -> None:
        """Take vxnet off this host. Raises LabError if that fails."""
        self._run("down")

    def fdb(self) -> set[Entry]:
        """The forwarding table."""
        return set(self._ask("fdb", list[Entry]))

    def knows(self, vni: int) -> dict[str, str]:
        """Where each MAC of a segment is: the port's device name, or the remote's address."""
        return {entry.mac: entry.place for entry in self.fdb() if entry.vni == vni}

    def drops(self) -> dict[str, int]:
        """How many frames were not forwarded, by reason."""
        return self._ask("stats", _Stats).drops

    def show_fdb(self) -> None:
        """Show the forwarding table as the command prints it."""
        self._tell.command(self.node.name, "vxnet fdb")
        self._tell.output(self._run("fdb"))

    def _ask(self, command: str, answer: type[T]) -> T:
        """What a command prints with --json. Raises LabError if it is not what it should be."""
        text = self._run(command, "--json")
        try:
            return msgspec.json.decode(text, type=answer)
        except msgspec.DecodeError as error:
            raise LabError(f"{self.node.name}: vxnet {command} --json: {error}") from None

    def _run(self, command: str, *words: str) -> str:
        try:
            return self.node.run(*vxnet(), command, *words, "--run-dir", str(self._run_dir), timeout=UP_TIMEOUT).stdout
        except LabError as error:
            log = self._run_dir / "vxnetd.log"  # the folder is gone before anybody could look into it
            if log.exists():
                error.add_note(f"{log.name}: {log.read_text(errors='replace').strip()[-LOG_TAIL:]}")
            raise
