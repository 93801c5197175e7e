# SPDX-License-Identifier: Apache-2.0
"""A run directory belongs to one daemon at a time: whoever holds the lock in it."""

from __future__ import annotations

import fcntl
from typing import IO, TYPE_CHECKING

from vxnet.daemon.control import LOCK
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
