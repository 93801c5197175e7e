# SPDX-License-Identifier: Apache-2.0
"""`make demo-ovs` tells the truth, with each kind of switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import ovs
from vxnet.lab.vswitch import VSwitch

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_holds(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step holds, the script's lines are told as they are, and the capture is kept."""
    monkeypatch.setattr(ovs, "BUILD", tmp_path)
    assert ovs.main(["--switch", kind]) == 0
    said = capsys.readouterr().out
    assert "h1# ovs-vsctl add-port br1 vx1 -- set interface vx1 type=vxlan options:remote_ip=192.168.146.136" in said
    assert "every step held" in said
    assert (tmp_path / "demo-ovs.pcapng").stat().st_size > 0


def test_a_switch_that_does_not_start_is_told(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no switch, the demo says so and ends with 1."""
    monkeypatch.setattr(ovs, "BUILD", tmp_path)
    monkeypatch.setattr(VSwitch, "command", lambda _: ("false",))
    assert ovs.main(["--switch", kind]) == 1
    assert "switch ended with 1" in capsys.readouterr().out
