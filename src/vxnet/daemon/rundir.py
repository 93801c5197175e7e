# SPDX-License-Identifier: Apache-2.0
"""A run directory belongs to one daemon at a time: whoever holds the lock in it."""

from __future__ import annotations

import fcntl
from typing import IO, TYPE_CHECKING

from vxnet.daemon.control import LOCK, PIDFILE, Running
from vxnet.errors import ControlError

if TYPE_CHECKING:
    from pathlib import Path


def claim(run_dir: Path) -> IO[str]:
    """Take the run directory for as long as the file is open. ControlError if another daemon has it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = (run_dir / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"another vxnetd has the run directory {run_dir}"
        raise ControlError(message) from error
    return lock


def served(run_dir: Path) -> Running | None:
    """Return the `vxnet ovs-vswitchd` that has the run directory, of which no control socket tells; None if none has.

    What stands in its way it says in the database.
    """
    pidfile = run_dir / PIDFILE
    if not pidfile.exists():
        return None
    try:
        claim(run_dir).close()
    except ControlError:
        return Running(pid=int(pidfile.read_text()), waiting=(), trouble="")
    return None
