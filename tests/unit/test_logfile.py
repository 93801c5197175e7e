# SPDX-License-Identifier: Apache-2.0
"""The daemon's log does not grow for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.daemon.logfile import MOST, trim

if TYPE_CHECKING:
    from pathlib import Path


def test_a_short_log_stays(tmp_path: Path) -> None:
    """A log of up to MOST bytes is left alone, and none is made."""
    log = tmp_path / "log"
    trim(log)
    assert not log.exists()
    log.write_bytes(b"x" * (MOST - 1) + b"\n")
    trim(log)
    assert log.stat().st_size == MOST


def test_a_long_log_keeps_its_last_lines(tmp_path: Path) -> None:
    """Whole lines stay, the newest of them, and the writer goes on at the end."""
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as writer:
        lines = [b"line %d\n" % number for number in range(MOST // 8)]
        writer.write(b"".join(lines))
        trim(log)
        writer.write(b"and on\n")
    *kept, last = log.read_bytes().splitlines(keepends=True)
    assert last == b"and on\n"
    assert kept == lines[-len(kept) :]
    assert MOST // 4 < log.stat().st_size <= MOST // 2 + len(last)
