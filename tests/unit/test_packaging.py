# SPDX-License-Identifier: Apache-2.0
"""The systemd units start what there is, with options that it takes, and systemd has nothing to say against them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vxnet.cli.main import COMMANDS, build
from vxnet.daemon import privileges

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "packaging" / "systemd").glob("*.service"))


def settings(unit: Path) -> dict[str, str]:
    """Return the settings of a unit; lines that go on are put together."""
    text = unit.read_text(encoding="utf-8").replace("\\\n", " ")
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z]\w*=", line))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_what_there_is(unit: Path) -> None:
    """Its command is one of ours, and every option is one that the command has."""
    words = shlex.split(settings(unit)["ExecStart"])
    if words[0] == "vxnetd":
        return
    assert words[:2] == ["/usr/bin/env", "vxnet"]
    assert words[2] in COMMANDS
    help_ = CliRunner().invoke(build([words[2]]), [words[2], "--help"]).stdout
    assert [word for word in words[3:] if word.startswith("--") and f"{word} " not in help_] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_tells_when_it_is_ready_and_gives_up_rights(unit: Path) -> None:
    """All of ours notify, start again, and have no rights but those they name."""
    found = settings(unit)
    assert found["Type"] == "notify"
    assert found["Restart"] == "on-failure"
    assert "CapabilityBoundingSet" in found
    assert (found["NoNewPrivileges"], found["ProtectSystem"]) == ("yes", "strict")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_knows_every_setting(unit: Path) -> None:
    """No line is one that systemd would ignore. That vxnet is installed is not asked."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if unit.name in line and "is not executable" not in line]
    assert told == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_little_is_exposed(unit: Path) -> None:
    """systemd's own measure of what a unit may do (0 to 10) is below 3 for each."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=29", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_and_its_daemon_keep_the_same(unit: Path) -> None:
    """A unit grants the capabilities that the daemon keeps when it is started by hand, and no others."""
    granted = {name.removeprefix("CAP_") for name in settings(unit)["CapabilityBoundingSet"].split()}
    numbers = {name: number for name, number in vars(privileges).items() if isinstance(number, int)}
    kept = {name for name, number in numbers.items() if number in privileges.KEPT and name[0] != "_"}
    assert granted in (set(), kept, kept | {"DAC_OVERRIDE"})
    assert bool(granted) == (unit.stem != "vxnet-server")
