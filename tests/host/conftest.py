# SPDX-License-Identifier: Apache-2.0
"""The pair of hosts that tests of the daemon share, one for each file, and an empty lab for each test of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import victims
from tests.support.running import Pair, pair_in
from vxnet.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab, removed afterwards."""
    with Lab.unique("labtest7k") as lab:
        yield lab


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Build the pair and take it away after the file's last test."""
    with pair_in(tmp_path_factory.mktemp("pair"), "pair") as pair:
        yield pair


@pytest.fixture
def pair(running: Pair) -> Pair:
    """Return the pair, up, and as it is drawn in tests/support/running.py, whatever the test before did to it."""
    running.up()
    for host in (running.h1, running.h2):
        host.forget()
    return running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the victims of attacks noticed, if any test has measured it."""
    if victims.MEASURED:
        terminalreporter.section("what victims noticed: packets lost, and median round trips")
        for line in victims.table():
            terminalreporter.write_line(line)
