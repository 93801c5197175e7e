# SPDX-License-Identifier: Apache-2.0
"""A soak from the beginning to the end: build, churn, put back, compare, take down."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from soak.deeds import DEEDS, put_back
from soak.samples import Pings, Sample, Sampler
from soak.verdict import Report, judge
from soak.world import LASTING, World
from tests.support.killed import inventory
from tests.support.running import gone
from tests.support.stream import Stream
from vxnet.errors import VxnetError
from vxnet.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD = 0.002
"""Seconds between two packets of a stream."""

SAMPLES = 120
"""About how many samples there are, however long it takes."""


def soak(seconds: int, seed: int, tell: Callable[[Sample], object] = lambda _: None) -> Report:
    """Run a soak; ``tell`` hears of every sample."""
    with Lab.unique("soak") as lab, tempfile.TemporaryDirectory(prefix="vxnet-soak-") as folder:
        run = _Run(World(lab, Path(folder)), seconds, seed, tell)
        try:
            return run.run()
        finally:
            for host in run.world.hosts.values():
                host.vxnet("down", check=False)


class _Run:
    def __init__(self, world: World, seconds: int, seed: int, tell: Callable[[Sample], object]) -> None:
        self.world = world
        self._seconds, self._seed, self._tell = seconds, seed, tell
        self._deeds: list[tuple[float, str]] = []
        self._samples: list[Sample] = []
        self._faults: list[str] = []

    def run(self) -> Report:
        world = self.world
        world.up()
        daemon = world.hosts[LASTING].pid
        before = {name: inventory(host) for name, host in world.hosts.items()}
        v1, v2, w1, w2 = (world.machines[name] for name in ("v1", "v2", "w1", "w2"))
        with ExitStack() as stack:
            streams = [
                stack.enter_context(Stream(*ends, broadcast=broadcast, period=PERIOD))
                for ends, broadcast in (((v1, v2), False), ((v2, v1), False), ((w1, w2), True), ((w2, w1), True))
            ]
            pings = stack.enter_context(Pings(v1, v2))
            sampler = Sampler(world, streams, pings)
            begin = time.monotonic()
            self._churn(sampler, begin)
            self._do("put back", lambda: put_back(world), begin)
            self._take(sampler, begin)
        # The streams have stopped, and what was on its way has arrived.
        last = sampler.after(self._samples[-1])
        self._samples.append(last)
        self._compare(before, daemon)
        self._take_down(sampler)
        faults = (*self._faults, *judge(self._samples))
        return Report(
            seconds=self._seconds,
            seed=self._seed,
            deeds=tuple(self._deeds),
            samples=tuple(self._samples),
            faults=faults,
        )

    def _churn(self, sampler: Sampler, begin: float) -> None:
        random, due = Random(self._seed), 0.0
        while (now := time.monotonic() - begin) < self._seconds:
            if now >= due:
                self._take(sampler, begin)
                due += self._seconds / SAMPLES
            deed = random.choice(DEEDS)
            self._do(deed.__name__, lambda deed=deed: deed(self.world, random), begin)  # type: ignore[misc]

    def _do(self, name: str, deed: Callable[[], object], begin: float) -> None:
        at = round(time.monotonic() - begin, 1)
        try:
            self._deeds.append((at, f"{name}: {deed()}"))
        except (VxnetError, AssertionError) as error:
            self._deeds.append((at, f"{name}: failed"))
            self._faults.append(f"{name} at {at:.0f} s: {error}")

    def _take(self, sampler: Sampler, begin: float) -> None:
        sample = sampler.take(time.monotonic() - begin, len(self._deeds))
        self._samples.append(sample)
        self._tell(sample)

    def _compare(self, before: dict[str, dict[str, object]], daemon: int) -> None:
        """All is as it was: each host holds the same, nobody has anything to do, and nobody has died unasked."""
        for name, host in self.world.hosts.items():
            after = inventory(host)
            self._faults += [
                f"{name}: {what} were {before[name][what]}, and are {after[what]}"
                for what in after
                if after[what] != before[name][what]
            ]
            if changes := host.changes(self.world.state(name)):
                self._faults.append(f"{name}: `vxnet plan` would change {', '.join(c.name for c in changes)}")
            if "Traceback" in host.log():
                self._faults.append(f"{name}: the log has a traceback: {host.log()[-500:]}")
        if self.world.hosts[LASTING].pid != daemon:
            self._faults.append(f"{LASTING}: its daemon is another one")

    def _take_down(self, sampler: Sampler) -> None:
        for name, host in self.world.hosts.items():
            host.vxnet("down")
            if left := host.remains():
                self._faults.append(f"{name}: `vxnet down` has left {', '.join(left)}")
        deadline = time.monotonic() + 10
        while not gone(sampler.programs, sampler.maps):
            if time.monotonic() > deadline:
                self._faults.append("programs or maps are left in the kernel")
                return
            time.sleep(0.1)
