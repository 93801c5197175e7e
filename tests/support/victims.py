# SPDX-License-Identifier: Apache-2.0
"""Two machines that talk while somebody does harm, and what they notice of it: packets lost, and round trips.

    all the time   a thousand numbered UDP packets a second one way, pings one after another the other way
    quiet          the first 100 pings, before the attack begins
    attacked       all others

`MEASURED` has a row for each attack; pytest prints them when all is over (tests/host/conftest.py). A time is only told,
never asserted: this machine may be busy with other things.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.support.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vxnet.lab import Node
    from vxnet.lab.ping import Ping

ATTACKER = str(Path(__file__).with_name("attacker.py"))


class Row(NamedTuple):
    """An attack: how many packets the victims sent meanwhile and lost, and their median round trips in seconds."""

    attack: str
    sent: int
    lost: int
    quiet: float
    attacked: float


MEASURED: list[Row] = []


class Victims:
    """They talk as long as the ``with`` block lasts; ``sent`` and ``lost`` are how many packets, afterwards."""

    def __init__(self, attack: str, one: Node, other: Node) -> None:
        """``one`` sends the stream, ``other`` pings."""
        self._attack, self._one, self._other = attack, one, other
        self._over = threading.Event()
        self._rounds: list[Ping] = []
        self._pinger = threading.Thread(target=self._ping, daemon=True)
        self._quiet = 0.0
        self._stream = Stream(one, other)
        self.sent = self.lost = 0

    def _ping(self) -> None:
        while not self._over.is_set():
            self._rounds.append(self._other.ping(self._one, count=10, timeout=3, interval=0.002))

    def talk(self) -> None:
        """Wait until both have heard of each other since now."""
        before = len(self._rounds)
        self._stream.flows(200, timeout=30)
        self._one.wait(lambda: len(self._rounds) > before + 1, timeout=30, what="pings to be answered")

    def __enter__(self) -> Self:
        """Let them talk."""
        self._stream.__enter__()
        try:
            self._quiet = statistics.median(self._other.ping(self._one, count=100, timeout=5, interval=0.002).times)
        except BaseException:
            self._stream.__exit__()
            raise
        self._pinger.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and write down how it went."""
        self._over.set()
        self._pinger.join()
        self._stream.__exit__()
        times = [time for each in self._rounds for time in each.times]
        self.lost = len(self._stream.lost) + sum(each.lost for each in self._rounds)
        self.sent = self._stream.sent + sum(each.sent for each in self._rounds)
        MEASURED.append(Row(self._attack, self.sent, self.lost, self._quiet, statistics.median(times)))


def storm(node: Node, frames: Sequence[bytes], count: int, device: str = "eth0") -> None:
    """Let a node send the frames in turn, ``count`` in all, as fast as it can."""
    node.run(sys.executable, ATTACKER, "send", device, str(count), input="\n".join(frame.hex() for frame in frames))


@contextmanager
def relaying(node: Node, *addresses: str, port: int = 4789) -> Iterator[None]:
    """Let a node with the first address send back whatever comes to a UDP port, or on from one other to another one."""
    process = node.popen(sys.executable, ATTACKER, "relay", ",".join(addresses), str(port), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.terminate()
        process.wait()


def table() -> Iterator[str]:
    """Yield a line for each attack that was measured, by name; of the same one the last."""
    yield f"{'attack':<58} {'sent':>7} {'lost':>5}  {'quiet':>9} {'attacked':>9}"
    for row in sorted({row.attack: row for row in MEASURED}.values()):
        quiet, attacked = (f"{seconds * 1e6:.0f} us" for seconds in (row.quiet, row.attacked))
        yield f"{row.attack:<58} {row.sent:>7} {row.lost:>5}  {quiet:>9} {attacked:>9}"
