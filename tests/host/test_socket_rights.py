# SPDX-License-Identifier: Apache-2.0
"""Who may talk to a daemon: root, and the group of its run directory; nobody else, and nobody reads its log."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.labs import H1, H2, two_hosts
from tests.support.running import Host, base, wait
from tests.support.unprivileged import Ended, vxnet_as
from vxnet.daemon import control, rundir
from vxnet.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vxnet.model import HostState

MEMBERS = 4711
"""The number of a group; nobody has to have made it."""


class Opened:
    """A host that is up, in a folder that everybody may enter, with a run directory of `MEMBERS`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.state = replace(base(str(H1), str(H2), "tap-a", ""), ports=(), segments=())

    def vxnet(self, groups: Collection[int], *words: str) -> Ended:
        """Run a command in the host as somebody who is not root."""
        with self.host.node.enter():
            return vxnet_as(groups, *words, "--run-dir", str(self.host.run_dir))

    def up(self, groups: Collection[int], state: HostState) -> Ended:
        """Bring the host to a state, as somebody who is not root."""
        file = self.host.file(state)
        file.chmod(0o644)
        return self.vxnet(groups, "up", str(file))


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """Build it once."""
    folder = Path(tempfile.mkdtemp(prefix="vxnet-rights-"))
    folder.chmod(0o755)
    try:
        with Lab.unique("socket") as lab:
            h1, _ = two_hosts(lab)
            host = Host(h1, folder)
            host.run_dir.mkdir()
            os.chown(host.run_dir, 0, MEMBERS)
            host.run_dir.chmod(0o2750)
            opened = Opened(host)
            host.up(opened.state)
            yield opened
            host.down()
    finally:
        shutil.rmtree(folder)


def kept(path: Path) -> tuple[str, int, int]:
    """Return a file's mode, as `ls` has it, its user and its group."""
    found = path.stat()
    return stat.filemode(found.st_mode), found.st_uid, found.st_gid


def test_the_files_of_a_daemon(opened: Opened) -> None:
    """Socket and log are for root and the directory's group."""
    assert kept(opened.host.run_dir / control.SOCKET) == ("srw-rw----", 0, MEMBERS)
    assert kept(opened.host.run_dir / control.LOG) == ("-rw-r-----", 0, MEMBERS)


def test_a_member_changes_the_network(opened: Opened) -> None:
    """Who is in the group brings the host to a file, without root's rights; a mistake changes nothing."""
    more = replace(opened.state, segments=base(str(H1), str(H2), "", "").segments)
    assert opened.up([MEMBERS], more) == Ended(0, "", "")
    assert opened.host.changes(more) == ()
    assert more.vtep
    wrong = replace(more, vtep=replace(more.vtep, local=IPv4Address("192.0.2.1")))
    refused = opened.up([MEMBERS], wrong)
    assert (refused.code, refused.stdout) == (1, ""), refused.stderr
    assert refused.stderr.startswith("vxnet: error: vtep.local: no device has 192.0.2.1; ")
    assert opened.host.changes(more) == ()
    assert opened.up([MEMBERS], opened.state) == Ended(0, "", "")


def test_others_change_nothing(opened: Opened) -> None:
    """Who is not in the group is told that it takes root."""
    more = replace(opened.state, segments=base(str(H1), str(H2), "", "").segments)
    refused = opened.up([], more)
    assert (refused.code, refused.stdout) == (1, ""), refused.stderr
    assert refused.stderr.startswith("vxnet: error: vxnet needs root: ")
    listed = opened.vxnet([], "port", "list")
    assert listed.code == 1
    assert listed.stderr == (
        f"vxnet: error: {opened.host.run_dir} is not for this user; try again with sudo, or let root put you into its "
        "group\n"
    )
    assert opened.host.changes(opened.state) == ()


@pytest.mark.parametrize("command", ["down", "show", "fdb", "stats"])
def test_what_takes_root_even_of_a_member(opened: Opened, command: str) -> None:
    """What reads the kernel or leaves nothing behind is root's."""
    refused = opened.vxnet([MEMBERS], command)
    assert (refused.code, refused.stdout) == (1, ""), refused.stderr
    assert refused.stderr.startswith("vxnet: error: vxnet needs root: ")
    assert opened.host.pid


def test_a_daemon_that_does_not_run(opened: Opened) -> None:
    """A member cannot start one."""
    opened.host.kill()
    refused = opened.up([MEMBERS], opened.state)
    assert refused.stderr.startswith("vxnet: error: vxnet needs root: ")
    opened.host.up(opened.state)
    wait(lambda: opened.host.pid, "the daemon")


def test_a_run_directory_is_made_for_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there is the group's, and what is made inside too; without the group it is root's."""
    monkeypatch.setattr(rundir, "GROUP", "daemon")
    rundir.make(tmp_path / "a" / "run")
    assert kept(tmp_path / "a" / "run") == ("drwxr-s---", 0, 1)
    monkeypatch.setattr(rundir, "GROUP", "no-such-group")
    rundir.make(tmp_path / "root")
    assert kept(tmp_path / "root") == ("drwxr-x---", 0, 0)
    (tmp_path / "there").mkdir(0o700)
    rundir.make(tmp_path / "there")
    assert kept(tmp_path / "there") == ("drwx------", 0, 0)
