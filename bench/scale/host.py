# SPDX-License-Identifier: Apache-2.0
"""vxnet on a host of the benchmark, as a person has it, and told things without a file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.cluster.stage import pss
from bench.rows.vxnet import COMMAND
from vxnet.daemon.control import Running, Up, ask, status
from vxnet.daemon.netns import netns
from vxnet.errors import LabError
from vxnet.sources import hostfile

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.lab import Node
    from vxnet.model import HostState

PATIENCE = 600.0


class Host:
    """The daemon of ``run_dir`` on a host, which runs already."""

    def __init__(self, node: Node, run_dir: Path) -> None:
        self.node = node
        self.run_dir = run_dir

    def up(self, state: HostState) -> float:
        """Bring it there by `vxnet up FILE`; return the seconds that took."""
        file = self.run_dir / "host.toml"
        file.write_text(hostfile.dump(state), encoding="utf-8")
        began = time.monotonic()
        self.node.run(*COMMAND, "up", str(file), "--run-dir", str(self.run_dir), timeout=PATIENCE)
        return time.monotonic() - began

    def tell(self, state: HostState) -> float:
        """Bring it there over the control socket; return the seconds that took."""
        with self.node.enter():
            began = time.monotonic()
            ask(self.run_dir, Up(state, netns()))
            return time.monotonic() - began

    def vxnet(self, *words: str) -> float:
        """Run a command of its; return the seconds that took."""
        began = time.monotonic()
        self.node.run(*COMMAND, *words, "--run-dir", str(self.run_dir), timeout=PATIENCE)
        return time.monotonic() - began

    @property
    def memory(self) -> int:
        """The daemon's PSS in bytes."""
        running = status(self.run_dir)
        if not isinstance(running, Running):
            raise LabError(f"{self.node.name}: no daemon")
        return pss(running.pid)
