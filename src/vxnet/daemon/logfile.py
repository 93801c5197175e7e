# SPDX-License-Identifier: Apache-2.0
"""Keeping the daemon's log small: what `vxnet up` gives it to write to would only grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MOST: Final = 1 << 20
"""Bytes. A log that has become longer is cut to the last half of this."""


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
