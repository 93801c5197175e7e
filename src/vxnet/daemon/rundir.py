# SPDX-License-Identifier: Apache-2.0
"""A run directory belongs to one daemon at a time: whoever holds the lock in it. Its group may talk to that.

drwxr-s---  root vxnet  /run/vxnet           made so if there is a group vxnet
srw-rw----  root vxnet  vxnetd.sock          the directory's group, whichever that is: setgid hands it on
"""

from __future__ import annotations

import fcntl
import grp
import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from vxnet.daemon.control import LOCK, PIDFILE, Running
from vxnet.errors import ControlError

if TYPE_CHECKING:
    from pathlib import Path


GROUP: Final = "vxnet"
"""The group of a run directory that is made here, if the system has it: packaging/sysusers.d/vxnet.conf."""

_OTHERS_NOTHING = 0o750
_SETGID = 0o2000


def make(run_dir: Path) -> None:
    """Make the run directory, for root and for `GROUP`. One that is there stays as it is: whoever made it has said."""
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        run_dir.mkdir(_OTHERS_NOTHING)
        with suppress(KeyError):  # there is no such group
            os.chown(run_dir, -1, grp.getgrnam(GROUP).gr_gid)
            run_dir.chmod(_SETGID | _OTHERS_NOTHING)


def claim(run_dir: Path) -> IO[str]:
    """Take the run directory for as long as the file is open. ControlError if another daemon has it."""
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
