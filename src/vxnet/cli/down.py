# SPDX-License-Identifier: Apache-2.0
"""`vxnet down`: take it all away, whether a daemon runs or not."""

from __future__ import annotations

import fcntl
from contextlib import nullcontext
from typing import TYPE_CHECKING

from vxnet.cli.alone import alone
from vxnet.cli.options import RUN_DIR, RunDir
from vxnet.cli.progress import steps
from vxnet.daemon.control import LOCK, LOG, PIDFILE, SOCKET, Down, Step, ask, is_running
from vxnet.daemon.netns import netns
from vxnet.daemon.rundir import served
from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.datapath.kernel import require_root
from vxnet.datapath.orphans import remove_orphans
from vxnet.errors import ControlError
from vxnet.model import DOWN
from vxnet.plan import plan

if TYPE_CHECKING:
    from pathlib import Path


def down(run_dir: RunDir = RUN_DIR) -> None:
    """Take vxnet away from this host: programs, maps, devices, group memberships, files. Not up is no error."""
    require_root()
    with alone(run_dir) if run_dir.is_dir() else nullcontext():
        _take_down(run_dir)


def _take_down(run_dir: Path) -> None:
    with steps() as progress:
        if is_running(run_dir):
            ask(run_dir, Down(netns()), progress)
            _wait_for_end(run_dir)
        else:
            if daemon := served(run_dir):
                raise ControlError(
                    f"vxnet ovs-vswitchd (pid {daemon.pid}) has the run directory {run_dir}; end it first"
                )
            Datapath(run_dir).apply(plan(DOWN, read(run_dir)), lambda changes: progress(Step.of(changes[0])))
    remove_orphans(run_dir)
    _clean(run_dir)


def _wait_for_end(run_dir: Path) -> None:
    """Wait until the daemon has ended: it holds this lock as long as it lives, and removes its socket at its end."""
    with (run_dir / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def _clean(run_dir: Path) -> None:
    for name in (SOCKET, LOCK, LOG, PIDFILE):
        (run_dir / name).unlink(missing_ok=True)
    if run_dir.is_dir() and not any(run_dir.iterdir()):
        run_dir.rmdir()
