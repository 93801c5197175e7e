# SPDX-License-Identifier: Apache-2.0
"""The fuzzer of the control socket, for a fixed round: a real vxnetd goes on serving, and forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz import control, corpus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is found out of build/."""
    monkeypatch.setattr(corpus, "FOUND", tmp_path / "fuzz")


def test_the_daemon_goes_on() -> None:
    """Odd and half requests are refused in a line each, some are granted, and nothing else changes."""
    seen = control.run(range(1))
    assert seen["Failed"] >= len(corpus.kept("control"))
    assert seen["Running"] + seen["Done"]
    assert seen["said half of it"]
    assert seen["left before the answer"]
