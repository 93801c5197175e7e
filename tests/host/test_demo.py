# SPDX-License-Identifier: Apache-2.0
"""The demo tells the truth: it passes where everything holds, fails where something does not, and leaves nothing."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

import demo.__main__
from demo import bed, vtep
from demo.narration import Narrator
from vxnet.lab import netns

if TYPE_CHECKING:
    from demo.bed import Bed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the captures of scenes that run in this process away from those of `make demo`."""
    monkeypatch.setattr(bed, "BUILD", tmp_path / "build")
    return tmp_path / "build"


@pytest.fixture
def tell() -> Narrator:
    """A narrator nobody hears."""
    return Narrator(Console(file=io.StringIO(), width=100))


def test_a_scene_holds() -> None:
    """`python -m demo two-hosts` ends with 0, in plain text without a terminal, and keeps what it captured."""
    done = subprocess.run(
        (sys.executable, "-m", "demo", "two-hosts"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every step held" in done.stdout
    assert "\x1b" not in done.stdout
    assert (ROOT / "build/demo-two-hosts.pcapng").stat().st_size > 0


def test_a_step_that_does_not_hold_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where vxnet fails, the demo says which step does not hold, and ends with 1."""
    monkeypatch.setattr(vtep, "vxnet", lambda: ("false",))
    assert demo.__main__.main(["two-hosts"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "expected: scene a runs to its end; found: h1: false up" in said


def test_a_wrong_answer_is_told(tell: Narrator) -> None:
    """A condition that is false is counted as failed, with what was found instead."""
    tell.check("the table is empty", holds=False, found="two entries")
    assert (tell.passed, tell.failed) == (0, ["the table is empty"])


def test_an_interrupted_scene_leaves_nothing(tell: Narrator) -> None:
    """After Ctrl-C no namespace, no daemon and no temporary file of the scene is there."""
    seen: list[Bed] = []
    daemons: list[int] = []

    def interrupted() -> None:
        with bed.made(tell, "two-hosts") as scene:
            seen.append(scene)
            scene.up()
            scene.capture("h1")
            daemons.extend(netns.processes([scene[host].namespace for host in scene.vteps]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not [name for name in netns.names() if name.startswith(f"{seen[0].lab.name}-")]
    assert not seen[0].folder.exists()
    assert daemons
    assert not [pid for pid in daemons if Path(f"/proc/{pid}/ns/net").exists()]
