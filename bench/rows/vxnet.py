# SPDX-License-Identifier: Apache-2.0
"""vxnet as a person starts it: one file a host, `vxnet up`. Learning, ageing and statistics are on, as always.

    a -- tap-a ==access==> eth0 -------- eth0 ==underlay==> (the other end of tap-b) -- b

Nothing is set for speed: command, host file and daemon are those of any host.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from bench.bed import VNI
from vxnet.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.bed import Bed
    from vxnet.lab import Node

COMMAND = (sys.executable, "-m", "vxnet.cli.main")
"""The command `vxnet` of the interpreter that runs the benchmark."""

HOST_FILE = """\
[vtep]
local = "{local}"

[[segments]]
name = "blue"
vni = {vni}
remotes = ["{remote}"]

[[ports]]
device = "{device}"
segment = "blue"
"""


@contextlib.contextmanager
def running(bed: Bed) -> Iterator[None]:
    """Bring up vxnet on both hosts, and take it down in the end."""
    with contextlib.ExitStack() as hosts:
        for host, vm, other in bed.sides:
            folder = bed.folder / host.name
            folder.mkdir()
            file = bed.folder / f"{host.name}.toml"
            text = HOST_FILE.format(local=host.address, vni=VNI, remote=other.address, device=vm.device)
            file.write_text(text, encoding="utf-8")
            run_dir = ("--run-dir", str(folder))
            hosts.callback(_down, host, run_dir)
            try:
                host.run(*COMMAND, "up", str(file), *run_dir)
            except LabError as error:
                raise LabError(f"{error}: {_last_words(folder / 'vxnetd.log')}") from None  # the log goes with the lab
        yield


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8").strip().rpartition("\n")[2] if log.exists() else "vxnetd did not start"


def _down(host: Node, run_dir: tuple[str, ...]) -> None:
    host.run(*COMMAND, "down", *run_dir)
