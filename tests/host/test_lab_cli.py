# SPDX-License-Identifier: Apache-2.0
"""`vxnet lab` as a process: up, exec, list, down, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.labs import EXAMPLES, left_of
from vxnet.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Path]:
    """A file of a lab with a name of its own, taken down afterwards."""
    file = tmp_path / f"{Lab.unique('labtest7k').name}.lab.toml"
    file.write_text((EXAMPLES / "tenants.lab.toml").read_text(encoding="utf-8"), encoding="utf-8")
    yield file
    Lab.load(file).down()


def vxnet_lab(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `vxnet lab` as a process."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        (sys.executable, "-m", "vxnet", "lab", *map(str, words)), capture_output=True, text=True, check=False, env=env
    )


def test_command_line(topology: Path) -> None:
    """`up`, `exec`, `list` and `down` do what they say; success is quiet, and `down` may be repeated."""
    quiet = (0, "", "")
    done = vxnet_lab("up", topology)
    assert (done.returncode, done.stdout, done.stderr) == quiet
    assert "10.0.0.1/24" in vxnet_lab("exec", topology, "a1", "--", "ip", "-br", "address").stdout
    assert vxnet_lab("exec", topology, "a1", "sh", "-c", "exit 7").returncode == 7
    rows = {row["name"]: row for row in json.loads(vxnet_lab("list", topology, "--json").stdout)}
    assert rows["a1"] == {
        "name": "a1",
        "role": "vm",
        "up": True,
        "addresses": ["10.0.0.1/24"],
        "gateway": "",
        "host": "h1",
        "device": "tap-a1",
        "mac": "02:00:0a:00:00:01",
        "namespace": f"{topology.name.removesuffix('.lab.toml')}-a1",
    }
    assert [line.split()[:3] for line in vxnet_lab("list", topology).stdout.splitlines()[1:3]] == [
        ["h1", "host", "yes"],
        ["h2", "host", "yes"],
    ]
    for _ in range(2):
        done = vxnet_lab("down", topology)
        assert (done.returncode, done.stdout, done.stderr) == quiet
    assert not any(row["up"] for row in json.loads(vxnet_lab("list", topology, "--json").stdout))


def test_command_line_echoes_what_can_be_typed(topology: Path) -> None:
    """With --echo the commands are printed, and typing them builds the same lab."""
    echoed = vxnet_lab("up", topology, "--echo").stdout
    Lab.load(topology).down()
    subprocess.run(("sh", "-e"), input=echoed, text=True, check=True)
    assert Lab.load(topology)["h1"].ping("192.168.146.136")
    Lab.load(topology).down()
    assert left_of(Lab.load(topology)) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exec", "{}", "a1", "true"), "a1 is not up; build the lab: vxnet lab up {}"),
        (("exec", "{}", "zz", "true"), "has no node 'zz'"),
        (("up", "{}.gone"), "{}.gone: "),
    ],
)
def test_command_line_errors(topology: Path, words: tuple[str, ...], said: str) -> None:
    """An error is one line on stderr and exit code 1."""
    done = vxnet_lab(*(word.replace("{}", str(topology)) for word in words))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said.replace("{}", str(topology)) in done.stderr


def test_command_line_when_up_already(topology: Path) -> None:
    """Building a lab twice is refused with the command that helps, and what runs goes on."""
    assert vxnet_lab("up", topology).returncode == 0
    done = vxnet_lab("up", topology)
    assert done.returncode == 1
    assert done.stderr.endswith(f"remove it: vxnet lab down {topology}\n")
    assert Lab.load(topology)["h1"].ping("192.168.146.136")
