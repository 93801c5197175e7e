# SPDX-License-Identifier: Apache-2.0
"""Clocks of the server and of hosts that step by hours, forth and back: nobody is taken for dead, or for alive.

libfaketime (https://github.com/wolfcw/libfaketime) stands between the processes and the clock: each asks a file how far
its clock is off. CLOCK_MONOTONIC, which no step changes, is let be.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.talking import all_agree, bound, knows, steady, talk, unbroken
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = ("+400d", "-400d", "+3h")


class Clock:
    """The clock of all processes of a cloud."""

    def __init__(self, file: Path) -> None:
        """It is right until it is stepped."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self._file = file
        self.step("+0")

    def step(self, off: str) -> None:
        """Let it be so far off the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{off}\n")
        new.rename(self._file)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """Return the clock."""
    return Clock(tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="module")
def cloud(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of two hosts that talk."""
    with Lab.unique("clock") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), 2, env=clock.env) as cloud:
        talk(cloud)
        yield cloud


def test_clocks_step(cloud: Cloud, clock: Clock) -> None:
    """Whatever the clock says, ports stay ACTIVE, changes arrive, and the server writes the time that it is told."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    years = set()
    with unbroken(cloud), steady(cloud):
        for n, step in enumerate(STEPS):
            clock.step(step)
            beat = cloud.get("/v2.0/agents")["agents"][0]["heartbeat_timestamp"]
            port = bound(cloud, network, f"n{n}", "h2")
            knows(cloud, "h2", port)
            years.add(cloud.get(f"/v2.0/ports/{port}")["port"]["created_at"][:4])
            # Heartbeats go on to be written.
            cloud.wait(lambda b=beat: cloud.get("/v2.0/agents")["agents"][0]["heartbeat_timestamp"] != b, "a heartbeat")  # type: ignore[misc]
            assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204
        all_agree(cloud)
    assert len(years) > 2, "the clock was not stepped"


@pytest.mark.parametrize("step", ["+5h", "-5h"])
def test_a_server_starts_with_another_clock(cloud: Cloud, clock: Clock, step: str) -> None:
    """A server whose clock was set while it was away hears agents as before."""
    with unbroken(cloud):
        cloud.server.kill()
        clock.step(step)
        cloud.server.start()
        all_agree(cloud)
