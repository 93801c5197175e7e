# SPDX-License-Identifier: Apache-2.0
"""vxnet on the hosts of a lab, used as a person uses it, and looked at as the kernel has it.

a --tap-a-.                                         .-tap-b-- b     blue, VNI 10, remotes
           [ h1 ] eth0 ---------------- eth0 [ h2 ]
c --tap-c-'                                         '-tap-d-- d     red, VNI 20, group 239.1.1.1
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.support.labs import two_hosts
from vxnet.daemon import control
from vxnet.datapath import attach, report, vxlandev
from vxnet.datapath.actual import read
from vxnet.datapath.devices import devices
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, find
from vxnet.datapath.libbpf import objects
from vxnet.datapath.routes import all_group_routes
from vxnet.datapath.slots import Slots
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.model import HostState, Port, Segment, Vtep
from vxnet.plan import plan
from vxnet.sources import hostfile

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from vxnet.datapath.entries import FdbRow
    from vxnet.datapath.layout import Member
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.report import Overview
    from vxnet.lab import Node
    from vxnet.model import IPAddress
    from vxnet.plan import Actual, Change

GROUP = IPv4Address("239.1.1.1")
_LOCAL_GROUPS = IPv4Network("224.0.0.0/24")
CLI = (sys.executable, "-m", "vxnet.cli.main")
DAEMON = (sys.executable, "-m", "vxnet.cli.vxnetd")


class Host:
    """One vxnet on a lab's host, with a run directory of its own in ``folder``.

    ``source``: the ``src`` of another build of vxnet, whose commands are run.
    """

    def __init__(self, node: Node, folder: Path, name: str = "", *, source: Path | None = None) -> None:
        self.node = node
        self._env = {**os.environ, "PYTHONPATH": str(source)} if source else None
        self.run_dir = folder / (name or node.name)
        self._file = folder / f"{self.run_dir.name}.toml"

    # ---- the command line ----

    def vxnet(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `vxnet` in the host."""
        return self.node.run(*CLI, *words, "--run-dir", str(self.run_dir), check=check, env=self._env)

    def file(self, state: HostState | str) -> Path:
        """Write the host file of ``state`` and return its path."""
        self._file.write_text(state if isinstance(state, str) else hostfile.dump(state))
        return self._file

    def up(self, state: HostState) -> None:
        """Bring the host to ``state``, without a word; then nothing is left to be changed."""
        done = self.vxnet("up", str(self.file(state)))
        assert (done.stdout, done.stderr) == ("", "")
        assert self.changes(state) == ()

    def down(self) -> None:
        """Take vxnet off the host, without a word."""
        done = self.vxnet("down")
        assert (done.stdout, done.stderr) == ("", "")

    def refused(self, *words: str) -> str:
        """Return the one line that a command fails with."""
        done = self.vxnet(*words, check=False)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("vxnet: error: ")
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("vxnet: error: ").rstrip("\n")

    # ---- the daemon ----

    @property
    def pid(self) -> int:
        """The daemon that has the socket; 0 if nobody has."""
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(self.run_dir / control.SOCKET)):
                return 0
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int(struct.unpack("iII", credentials)[0])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the daemon, and wait until it has ended."""
        end(self.pid, number)
        assert self.pid == 0

    def log(self) -> str:
        """Return what the daemon has said since the test began."""
        return (self.run_dir / control.LOG).read_text()

    def forget(self) -> None:
        """Empty the daemon's log."""
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.run_dir / control.LOG, 0)

    def pass_over(self) -> None:
        """Let a daemon take over what is there, and end again."""
        with self.node.popen(*DAEMON, "--run-dir", str(self.run_dir), env=self._env) as daemon:
            try:
                wait(lambda: self.pid, "the daemon to answer", timeout=30.0)
            finally:
                daemon.terminate()
        assert daemon.returncode == 0

    # ---- as the kernel has it ----

    @contextlib.contextmanager
    def found(self) -> Iterator[Maps]:
        """Look at the maps themselves."""
        with self.node.enter():
            maps = find(self.run_dir)
        assert maps
        with maps:
            yield maps

    @staticmethod
    def name_of(maps: Maps, member: int) -> str:
        """Return what a member of the maps is: a port by its device, a tunnel by its segment."""
        slots = Slots(maps)
        value = slots.members[member]
        return (value.name or slots.domains[value.domain].name).decode()

    @staticmethod
    def members(maps: Maps) -> list[Member]:
        """Return all ports and tunnels."""
        return list(Slots(maps).members.values())

    def actual(self) -> Actual:
        """Return what this host is."""
        with self.node.enter():
            return read(self.run_dir)

    def changes(self, state: HostState) -> tuple[Change, ...]:
        """Return what is to be changed to bring the host to ``state``."""
        return plan(state, self.actual())

    def overview(self) -> Overview:
        """Return what `vxnet show` has of it."""
        with self.node.enter():
            return report.overview(self.run_dir)

    def fdb(self, segment: str | None = None) -> dict[str, FdbRow]:
        """Return the forwarding table by MAC."""
        with self.node.enter():
            return {row.mac: row for row in report.fdb(self.run_dir, segment)}

    def programs(self) -> dict[tuple[str, str], int]:
        """Return every program of a vxnet in this namespace: its id by its device and name."""
        found = {}
        with self.node.enter():
            present = devices().by_index
            for ifindex, program, _ in attach.programs_of_all(present):
                if program.name in {ACCESS, UNDERLAY, OVERLAY}:
                    found[present[ifindex].name, program.name] = program.id
        return found

    def spoil(self, deed: str) -> None:
        """Do what somebody might do by hand: a command, or ``detach DEVICE``, as bpftool can since it knows tcx."""
        verb, _, device = deed.partition(" ")
        if verb != "detach":
            self.node.run(deed)
            return
        with self.node.enter():
            for found in list(attach.programs(devices().by_name[device].index)):
                attach.remove(found)

    def maps(self) -> dict[int, str]:
        """Return the maps of those programs, their names by their ids."""
        names = {}
        for program in filter(None, map(objects.program_by_id, self.programs().values())):
            for map_id in program.map_ids:
                if found := objects.map_by_id(map_id):
                    names[map_id] = found[0]
                    os.close(found[1])
        return names

    def groups(self, device: str = "eth0") -> set[IPv4Address]:
        """Return the groups that the host is in on a device, but those every host or bridge is in (224.0.0.0/24)."""
        rows = json.loads(self.node.ip("-4", "-j", "maddress", "show", "dev", device))
        groups = {IPv4Address(group["address"]) for row in rows for group in row["maddr"]}
        return {group for group in groups if group not in _LOCAL_GROUPS}

    def routes(self, device: str = "eth0") -> list[tuple[IPAddress, int]]:
        """Return (group, metric) of the routes that vxnet has added."""
        with self.node.enter():
            index = devices().by_name[device].index
            return [(group, metric) for group, at, metric in all_group_routes() if at == index]

    def vnis(self) -> set[int]:
        """Return the VNIs that the host's VXLAN devices take from the wire."""
        with self.node.enter():
            mine = [device.index for device in devices().by_index.values() if device.kind == "vxlan"]
            return {entry.vni for index in mine for entry in vxlandev.vnis(index)}

    def remains(self) -> list[str]:
        """Return what there is of any vxnet in the namespace, in the words of iproute2."""
        links = [
            link["ifname"] for link in json.loads(self.node.ip("-j", "link")) if link["ifname"].startswith("vxnet")
        ]
        qdiscs = self.node.run("tc qdisc show").stdout.splitlines()
        clsacts = [line for line in qdiscs if "clsact" in line]
        programs = [" ".join(place) for place in self.programs()]
        return (
            links
            + programs
            + clsacts
            + self.node.ip("route show proto 247").splitlines()
            + list(map(str, self.groups()))
        )


class Pair:
    """The lab drawn above, with both hosts up."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        h1, h2 = two_hosts(lab)
        self.a, self.c = (lab.vm(name, on=h1, address=f"10.0.0.{n}/24") for name, n in (("a", 1), ("c", 3)))
        self.b, self.d = (lab.vm(name, on=h2, address=f"10.0.0.{n}/24") for name, n in (("b", 2), ("d", 4)))
        self.h1, self.h2 = Host(h1, folder), Host(h2, folder)
        self.one = base("192.168.146.131", "192.168.146.136", "tap-a", "tap-c")
        self.two = base("192.168.146.136", "192.168.146.131", "tap-b", "tap-d")

    def up(self) -> None:
        """Bring both hosts to what is drawn above."""
        for host, state in ((self.h1, self.one), (self.h2, self.two)):
            if not host.pid or host.changes(state):
                host.up(state)

    def down(self) -> None:
        """Take both down."""
        for host in (self.h1, self.h2):
            host.down()


def base(local: str, remote: str, blue: str, red: str) -> HostState:
    """Return the state of a host of the pair."""
    return HostState(
        vtep=Vtep(local=IPv4Address(local)),
        segments=(
            Segment(name="blue", vni=10, remotes=(IPv4Address(remote),)),
            Segment(name="red", vni=20, group=GROUP),
        ),
        ports=(Port(device=blue, segment="blue"), Port(device=red, segment="red")),
    )


def change(state: HostState, segment: str, **settings: object) -> HostState:
    """Return ``state`` with other settings of one segment."""
    segments = tuple(replace(s, **settings) if s.name == segment else s for s in state.segments)
    return replace(state, segments=segments)


@contextlib.contextmanager
def pair_in(folder: Path, prefix: str) -> Iterator[Pair]:
    """Build the pair, up, and take it away again."""
    with Lab.unique(prefix) as lab:
        pair = Pair(lab, folder)
        pair.up()
        yield pair
        pair.down()


@contextlib.contextmanager
def by_hand(node: Node, *deeds: str, undo: tuple[str, ...]) -> Iterator[None]:
    """Do something to a host with iproute2, and undo it whatever happens then; there may be nothing left to undo."""
    for deed in deeds:
        node.ip(deed)
    try:
        yield
    finally:
        for deed in undo:
            node.run(f"ip {deed}", check=False)


def end(pid: int, number: signal.Signals) -> None:
    """Send a process a signal that ends it, and wait until it has ended."""
    assert pid
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, number)
        assert select.select([fd], [], [], 10)[0], "it did not end"
    finally:
        os.close(fd)


def gone(programs: Iterable[int], maps: Iterable[int]) -> bool:
    """Tell whether the kernel has none of these programs and maps any more."""
    left = {n for n in programs if objects.program_by_id(n)}
    for map_id in maps:
        if found := objects.map_by_id(map_id):
            os.close(found[1])
            left.add(map_id)
    return not left


def wait(condition: Callable[[], object], what: str, *, timeout: float = 10.0) -> None:
    """Wait for a condition of any kind."""
    wait_until(condition, timeout=timeout, what=what)
