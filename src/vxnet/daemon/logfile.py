# SPDX-License-Identifier: Apache-2.0
"""The log of a daemon in the background: for those who may talk to it, and kept small, as it would only grow."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Final

from vxnet.daemon.control import LOG

if TYPE_CHECKING:
    from pathlib import Path

MOST: Final = 1 << 20
"""Bytes. A log that has become longer is cut to the last half of this."""


def open_log(run_dir: Path) -> IO[bytes]:
    """Open the log of a run directory for appending; nobody but its user and group can read a new one."""
    return open(run_dir / LOG, "ab", opener=lambda path, flags: os.open(path, flags, 0o640))


def trim(path: Path) -> None:
    """Cut the log to its last lines if it is too long; no log is no error.

    It is cut in place, not moved away: whoever has it open for appending goes on writing to it.
    """
    if not path.exists() or path.stat().st_size <= MOST:
        return
    with path.open("r+b") as log:
        log.seek(-MOST // 2, 2)
        log.readline()  # the rest of a line
        kept = log.read()
        log.seek(0)
        log.truncate()
        log.write(kept)
