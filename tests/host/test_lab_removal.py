# SPDX-License-Identifier: Apache-2.0
"""What a lab is told to remove is gone, what is not the lab's stays, and failures leave nothing."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.labs import EXAMPLES, left_of, two_hosts
from vxnet.errors import ConfigError, LabError
from vxnet.lab import Lab, netns

if TYPE_CHECKING:
    from pathlib import Path


def test_failure_inside_removes_everything() -> None:
    """Whatever ends the block, namespaces, devices and processes are gone: also those that ignore being asked."""
    lab, processes = Lab.unique("labtest7k"), []
    with contextlib.suppress(ZeroDivisionError), lab:
        h1, _ = two_hosts(lab)
        processes.append(h1.popen("sleep 60"))
        with h1.enter():
            processes.append(subprocess.Popen(("sleep", "60"), text=True))
        processes.append(h1.popen("sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait", stdout=subprocess.PIPE))
        assert processes[2].stdout
        assert processes[2].stdout.readline() == "ready\n"
        _ = 1 / 0
    assert left_of(lab) == []
    assert [process.wait() for process in processes] == [-signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL]


def test_processes_elsewhere_are_let_be(lab: Lab) -> None:
    """Taking a lab down ends nothing outside of it, and nothing of another lab."""
    two_hosts(lab)
    with subprocess.Popen(("sleep", "60")) as outside, Lab.unique("labtest7k") as other:
        h1, _ = two_hosts(other)
        process = h1.popen("sleep 60")
        lab.down()
        assert (outside.poll(), process.poll()) == (None, None)
        outside.terminate()


def test_existing_namespace_is_refused_and_kept() -> None:
    """A lab does not touch a namespace that is there already: the error says whose it is, and what to do."""
    file = EXAMPLES / "two-hosts.lab.toml"
    unique = Lab.unique("labtest7k").name
    with Lab.load(file, name=unique) as first:
        with pytest.raises(LabError, match=rf"{unique}-h1 exists already, in a program's lab {unique}"):
            Lab.load(file, name=unique).up()
        assert len(left_of(first)) == 4
        with pytest.raises(LabError, match="exists already"):
            Lab(unique).host("a", "192.0.2.1/24")
        assert len(left_of(first)) == 4


def test_half_built_lab_is_taken_down() -> None:
    """What a lab killed half-way left behind is removed, and removing it again is no error."""
    lab = Lab.load(EXAMPLES / "two-hosts.lab.toml", name=Lab.unique("labtest7k").name)
    outside = [step for step in lab.steps() if not step.namespace]
    for step in outside[:-1]:
        subprocess.run(str(step).split(), check=True)
    assert left_of(lab)
    lab.down()
    assert left_of(lab) == []
    lab.down()


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """When a step fails, all of a file's lab or the one node is undone, and the error names the command."""
    file = tmp_path / f"{Lab.unique('labtest7k').name}.lab.toml"
    # A device with so small an MTU has no IPv6 (RFC 8200, section 5), so the kernel refuses.
    vm = '\n[[vms]]\nname = "c"\nhost = "h1"\naddress = "fd00::1/64"\nmtu = 1000\n'
    file.write_text((EXAMPLES / "two-hosts.lab.toml").read_text(encoding="utf-8") + vm, encoding="utf-8")
    refused = r"sysctl -qw net\.ipv6\.conf\.eth0\.disable_ipv6=0: No such file"
    with pytest.raises(LabError, match=refused):
        Lab.load(file).up()
    assert left_of(Lab.load(file)) == []
    with Lab.unique("labtest7k") as lab:
        h1, _ = two_hosts(lab)
        before = left_of(lab)
        with pytest.raises(LabError, match=refused):
            lab.vm("c", on=h1, address="fd00::1/64", mtu=1000)
        assert left_of(lab) == before
        assert lab.vm("c", on=h1, address="fd00::1/64").name == "c"


def test_nodes_no_longer_in_the_file_are_removed_too(tmp_path: Path) -> None:
    """A file may be edited between up and down: nodes it has no more are still the lab's."""
    file = tmp_path / f"{Lab.unique('labtest7k').name}.lab.toml"
    text = (EXAMPLES / "two-hosts.lab.toml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    lab = Lab.load(file)
    lab.up()
    file.write_text(text.partition("[[vms]]")[0], encoding="utf-8")
    Lab.load(file).down()
    assert left_of(lab) == []


def test_foreign_namespace_is_not_removed() -> None:
    """A namespace in use that no lab made is left alone, although it is named like a node."""
    lab = Lab.load(EXAMPLES / "two-hosts.lab.toml", name=Lab.unique("labtest7k").name)
    namespace = f"{lab.name}-h1"
    subprocess.run(("ip", "netns", "add", namespace), check=True)
    try:
        subprocess.run(("ip", "-n", namespace, "link", "set", "lo", "up"), check=True)
        with pytest.raises(LabError, match=f"namespace {namespace} is not of this lab"):
            lab.down()
        with pytest.raises(LabError, match="and is no lab's"):
            lab.up()
        assert netns.exists(namespace)
    finally:
        subprocess.run(("ip", "netns", "delete", namespace), check=True)


def test_impossible_nodes_are_refused_before_anything_is_made(lab: Lab) -> None:
    """What cannot be in a lab is refused, and the lab is as it was."""
    two_hosts(lab)
    before = left_of(lab)
    with pytest.raises(ConfigError, match="another node"):
        lab.host("h1", "192.0.2.1/24")
    with pytest.raises(ConfigError, match=r"'10\.0\.0\.1' lacks its prefix length"):
        lab.vm("a", on="h1", address="10.0.0.1")
    with pytest.raises(ConfigError, match="one eth0"):
        lab.link("h1", "h2")
    assert left_of(lab) == before
