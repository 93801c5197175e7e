# SPDX-License-Identifier: Apache-2.0
"""One server for one SQLite file: whoever holds the lock beside it. Commands share it: store/sqlite.py."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def held(file: Path, holder: str) -> Iterator[None]:
    """Hold FILE.lock (flock), or raise a StoreError that names who does: each says so as ``holder``.

    The lock is the process's: it is free again however that ends. The lock's file stays.
    """
    path = file.with_name(f"{file.name}.lock")
    try:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        cure = "is there its folder, and may this user write there?"
        if isinstance(error, PermissionError) and os.geteuid() == 0:
            cure = "a server has no rights over others' files, not even root's: run it as the user whose folder that is"
        raise StoreError(f"{path}: {what}; {cure}") from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(fd, 1000, 0).decode(errors="replace").strip() or "another process"
            raise StoreError(f"{file}: {who} has it; end that, or use etcd, which several servers can share") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{holder}, process {os.getpid()},\n".encode(), 0)
        yield
    finally:
        os.close(fd)
