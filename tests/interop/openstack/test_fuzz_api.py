# SPDX-License-Identifier: Apache-2.0
"""The fuzzer of the API, for a fixed round: what schemathesis does not send, down to broken requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz import api, corpus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is found out of build/."""
    monkeypatch.setattr(corpus, "FOUND", tmp_path / "fuzz")


def test_the_server_refuses_or_does_it() -> None:
    """No answer of 500 or above, nothing half made, and nothing that `vxnet cluster check` finds afterwards."""
    seen = api.run(range(1), 100)
    assert seen.total() >= 100
    assert seen["400"] >= len(corpus.kept("api"))
    assert seen["200"]
