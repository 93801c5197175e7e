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

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "packaging" / "systemd").glob("*.service"))
NEEDS_SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")

MOST_EXPOSED = 3.0
"""Of 10, by `systemd-analyze security`."""


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


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_knows_every_setting(unit: Path) -> None:
    """No line is one that systemd would ignore. That vxnet is installed is not asked."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if unit.name in line and "is not executable" not in line]
    assert told == []


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_exposes_little(unit: Path) -> None:
    """What systemd makes of its hardening, as a number, stays below what we promise."""
    words = ("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit))
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found
    assert float(found[1]) < MOST_EXPOSED


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.stem != "vxnet-server"], ids=lambda unit: unit.stem)
def test_a_unit_lets_its_daemon_ask_who_has_the_udp_port(unit: Path) -> None:
    """Without sockets of IPv4 and IPv6 a daemon would take every port for free (datapath/checks.py)."""
    assert {"AF_INET", "AF_INET6"} <= set(settings(unit)["RestrictAddressFamilies"].split())
