# SPDX-License-Identifier: Apache-2.0
"""Programs in the machines of a lab: each in a session of its own, so that none outlives its measure.

trafgen forks, and its child goes on when the parent is gone: what has to be ended is the whole group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import HostError, LabError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from vxnet.lab import Node

LISTEN = "0A"
"""TCP_LISTEN in net/tcp_states.h, as /proc/net/tcp writes it."""


@contextlib.contextmanager
def running(node: Node, *words: str) -> Iterator[Running]:
    """Run a program in ``node`` for the length of a ``with`` block. Raises HostError if it is not installed."""
    with tempfile.TemporaryFile("w+") as printed:
        try:
            with node.enter():
                process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True
                )
        except FileNotFoundError:
            raise HostError(f"{words[0]} is not installed; run `make setup`") from None
        try:
            yield Running(node, words, process, printed)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Running:
    """A program that was started in a machine of a lab."""

    def __init__(self, node: Node, words: tuple[str, ...], process: subprocess.Popen[bytes], printed: IO[str]) -> None:
        """Speak for ``process``, which writes all it says to the file ``printed``."""
        self._node = node
        self._words = words
        self._process = process
        self._printed = printed

    def check(self) -> bool:
        """True while it runs. Raises LabError, with all it said, if it has ended."""
        if self._process.poll() is None:
            return True
        raise self._error(f"ended with exit code {self._process.returncode}")

    def output(self, timeout: float, *, failing: bool = False) -> str:
        """All it printed, once it has ended. Raises LabError if it is not done in ``timeout`` seconds, or if it fails.

        With ``failing`` it may fail: its output tells.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._error(f"no end after {timeout:g} s") from None
        if code != 0 and not failing:
            raise self._error(f"exit code {code}")
        return self._said()

    def _said(self) -> str:
        self._printed.seek(0)
        return self._printed.read()

    def _error(self, what: str) -> LabError:
        said = "; ".join(line.strip() for line in self._said().splitlines() if line.strip())
        return LabError(f"{self._node.namespace}: {' '.join(self._words)}: {what}: {said}".rstrip(": "))


def output(node: Node, *words: str, timeout: float, failing: bool = False) -> str:
    """What a program prints that is run in ``node``; see `Running.output`."""
    with running(node, *words) as program:
        return program.output(timeout, failing=failing)


def listens(node: Node, port: int) -> bool:
    """Whether a TCP socket in ``node`` waits for connections on ``port``."""
    with node.enter():  # of this thread: /proc/net would show the namespace of the process's first
        tables = [Path("/proc/thread-self/net", name) for name in ("tcp", "tcp6")]
        return any(listens_in(table.read_text(encoding="ascii"), port) for table in tables if table.exists())


def listens_in(table: str, port: int) -> bool:
    """Whether a /proc/net/tcp or tcp6 ``table`` has a listening socket on ``port``."""
    for line in table.splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == LISTEN and int(local.rpartition(":")[2], 16) == port:
            return True
    return False
