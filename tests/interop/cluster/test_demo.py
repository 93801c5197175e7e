# SPDX-License-Identifier: Apache-2.0
"""`make demo-cluster` tells the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import cluster
from vxnet.errors import LabError
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step holds, VNIs are the article's, and the capture is kept."""
    monkeypatch.setattr(cluster, "BUILD", tmp_path)
    assert cluster.main() == 0
    said = capsys.readouterr().out
    assert "its VNI is 5001" in said
    assert "its VNI is 5002" in said
    assert "every step held" in said
    assert (tmp_path / "demo-cluster.pcapng").stat().st_size > 0


def test_a_cloud_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cloud that cannot be started ends the demo with 1, and with the reason."""

    def no_server(_: Cloud) -> Cloud:
        message = "vxnet server ended with 1"
        raise LabError(message)

    monkeypatch.setattr(cluster, "BUILD", tmp_path)
    monkeypatch.setattr(Cloud, "__enter__", no_server)
    assert cluster.main() == 1
    assert "vxnet server ended with 1" in capsys.readouterr().out
