# SPDX-License-Identifier: Apache-2.0
"""One command at a time starts or ends the daemon of a run directory; others wait for it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vxnet.daemon import rundir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold a lock (flock) on the run directory itself, which is made if need be: so no file is left behind."""
    fd = _locked(run_dir)
    while fd is None:
        fd = _locked(run_dir)
    try:
        yield
    finally:
        os.close(fd)


def _locked(run_dir: Path) -> int | None:
    """Return a descriptor that holds the lock; None if `vxnet down` removed the directory meanwhile."""
    rundir.make(run_dir)
    with suppress(FileNotFoundError):
        fd = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(FileNotFoundError):
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(fd), run_dir.stat()):
                return fd
        os.close(fd)
    return None
