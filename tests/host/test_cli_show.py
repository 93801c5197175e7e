# SPDX-License-Identifier: Apache-2.0
"""The showing commands on real hosts: what they print is what the packets did.

a --tap-a-- [ h1 .131 ] --------- [ h2 .136 ] --tap-b-- b        segment blue, VNI 5001, head-end replication
10.0.0.1                                          10.0.0.2       segment red, VNI 5002, nobody in it
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.labs import two_hosts
from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.lab import Lab, Node
from vxnet.plan import plan
from vxnet.sources.hostfile import load

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "clishow"
MAC_A, MAC_B, MAC_STATIC = "02:00:0a:00:00:01", "02:00:0a:00:00:02", "02:00:0a:00:00:99"
HOST_FILE = """\
[vtep]
local = "{local}"

[[segments]]
name = "blue"
vni = 5001
remotes = ["{remote}"]

[[segments]]
name = "red"
vni = 5002

[[ports]]
device = "{device}"
segment = "blue"

[[fdb]]
segment = "blue"
mac = "02:00:0a:00:00:99"
remote = "{remote}"
"""


class Vxnet(NamedTuple):
    """A host of the lab with its host file and run directory: ``h1("show")`` is `vxnet show` there."""

    node: Node
    file: Path
    run_dir: Path

    def __call__(self, *arguments: str) -> str:
        """What the command prints. LabError if it fails."""
        return self._run(arguments, {"VXNET_RUN_DIR": str(self.run_dir)}).stdout

    def json(self, *arguments: str) -> Any:
        """What the command prints with --json."""
        return json.loads(self(*arguments, "--json"))

    def error(self, *arguments: str, run_dir: Path | None = None) -> str:
        """The error of a command that fails as all do: nothing on stdout, one line on stderr, exit code 1."""
        done = self._run(arguments, {"VXNET_RUN_DIR": str(run_dir or self.run_dir)}, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert done.stderr.startswith("vxnet: error: ")
        return done.stderr.strip().removeprefix("vxnet: error: ")

    def _run(
        self, arguments: tuple[str, ...], env: dict[str, str], *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self.node.run(sys.executable, "-m", "vxnet", *arguments, check=check, env=os.environ | env)


class Scene(NamedTuple):
    """Two hosts and the VMs on them."""

    h1: Vxnet
    h2: Vxnet
    a: Node
    b: Node


def build(lab: Lab, folder: Path) -> Scene:
    """Two hosts, on which vxnet is not up yet."""
    nodes = two_hosts(lab)
    vms = lab.vm("a", on="h1", address="10.0.0.1/24"), lab.vm("b", on="h2", address="10.0.0.2/24")
    hosts: list[Vxnet] = []
    for node, other, vm in zip(nodes, reversed(nodes), vms, strict=True):
        file = folder / f"{node.name}.host.toml"
        file.write_text(HOST_FILE.format(local=node.address, remote=other.address, device=vm.device), encoding="utf-8")
        hosts.append(Vxnet(node, file, folder / node.name))
    return Scene(hosts[0], hosts[1], *vms)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Two hosts that are up and whose VMs have spoken; tests leave them as they are."""
    with Lab.unique(PREFIX) as lab:
        scene = build(lab, tmp_path_factory.mktemp("clishow"))
        scene.h1("up", str(scene.h1.file))
        scene.h2("up", str(scene.h2.file))
        try:
            assert scene.a.ping(scene.b)
            yield scene
        finally:
            scene.h1("down")
            scene.h2("down")


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """Two hosts of this test's own, not up."""
    with Lab.unique(PREFIX) as lab:
        scene = build(lab, tmp_path)
        try:
            yield scene
        finally:
            scene.h1("down")
            scene.h2("down")


# --- plan -----------------------------------------------------------------------------------------------------------


def test_plan_changes_nothing(own_scene: Scene) -> None:
    """On a host that is down everything is to be added; asking twice says the same, for nothing was done."""
    h1 = own_scene.h1
    first = h1("plan", str(h1.file))
    assert first.splitlines() == [
        "+ vtep 192.168.146.131  (not on this host yet)",
        "+ segment blue  vni 5001 remotes 192.168.146.136  (not on this host yet)",
        "+ segment red  vni 5002  (not on this host yet)",
        "+ port tap-a  segment blue  (not on this host yet)",
        f"+ fdb {MAC_STATIC}  segment blue remote 192.168.146.136  (not on this host yet)",
        "5 to add, 0 to change, 0 to remove",
    ]
    assert h1("plan", str(h1.file)) == first
    assert [(change["action"], change["kind"], change["name"]) for change in h1.json("plan", str(h1.file))] == [
        ("add", "vtep", "192.168.146.131"),
        ("add", "segment", "blue"),
        ("add", "segment", "red"),
        ("add", "port", "tap-a"),
        ("add", "fdb", f"blue {MAC_STATIC}"),
    ]
    assert not h1.run_dir.exists()
    assert h1.error("show").startswith("vxnet is not up")


def test_plan_when_up(scene: Scene) -> None:
    """A host that is as its file says has nothing to change."""
    assert scene.h1("plan", str(scene.h1.file)) == "nothing to change\n"
    assert scene.h1.json("plan", str(scene.h1.file)) == []


def test_plan_of_an_edited_file(scene: Scene, tmp_path: Path) -> None:
    """What an edited file changes is told with its reason, and nothing else is."""
    edited = tmp_path / "edited.toml"
    edited.write_text(scene.h1.file.read_text().replace("vni = 5001", "vni = 5001\nageing = 60"), encoding="utf-8")
    assert scene.h1("plan", str(edited)).splitlines() == [
        "~ segment blue  (ageing: 300 -> 60)",
        "0 to add, 1 to change, 0 to remove",
    ]
    (change,) = scene.h1.json("plan", str(edited))
    assert (change["action"], change["reason"], change["value"]["ageing"]) == ("change", "ageing: 300 -> 60", 60)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("192.168.146.131", "192.168.146.99", "vtep.local: no device has 192.168.146.99"),
        ("tap-a", "tap-z", "device tap-z does not exist"),
    ],
)
def test_plan_that_cannot_be(scene: Scene, tmp_path: Path, old: str, new: str, words: str) -> None:
    """What this host has not is one line that names file, field and value."""
    edited = tmp_path / "edited.toml"
    edited.write_text(scene.h1.file.read_text().replace(old, new), encoding="utf-8")
    line = scene.h1.error("plan", str(edited))
    assert line.startswith(f"{edited}: ")
    assert words in line


# --- show -----------------------------------------------------------------------------------------------------------


def test_show(scene: Scene) -> None:
    """The page has the VTEP, and each segment with its port, its remote, and what passed."""
    vtep, blue, red = scene.h1("show").split("\n\n")
    assert vtep.splitlines()[:4] == [
        "vtep: 192.168.146.131",
        "  dstport: 4789",
        "  underlay: eth0, mtu 1500",
        "  mtu for tenants: 1450",
    ]
    assert "fault" not in vtep
    assert re.fullmatch(
        r"segment: blue\n"
        r"  vni: 5001\n"
        r"  port: tap-a, 1 MAC, [\d.]+ K?i?B received, [\d.]+ K?i?B sent\n"
        r"  remote: 192\.168\.146\.136, 2 MACs, (now|[\d a-z,]+ ago)\n"
        r"  underlay: [\d.]+ K?i?B received, [\d.]+ K?i?B sent",
        blue,
    )
    assert red == "segment: red\n  vni: 5002\n"


def test_show_one_segment(scene: Scene) -> None:
    """With a name, other segments are left out, for people and for programs."""
    assert "segment: blue" not in scene.h1("show", "red")
    assert [segment["name"] for segment in scene.h1.json("show", "red")["segments"]] == ["red"]


@pytest.mark.parametrize("command", ["show", "fdb"])
def test_segment_that_is_not_there(scene: Scene, command: str) -> None:
    """An unknown segment is one line that says which there are."""
    assert scene.h1.error(command, "green") == "segment green does not exist on this host; it has: blue, red"


def test_show_json(scene: Scene) -> None:
    """JSON holds the same, with numbers as numbers."""
    view = scene.h1.json("show")
    assert (view["local"], view["dstport"], view["faults"]) == ("192.168.146.131", 4789, [])
    (port,) = view["segments"][0]["ports"]
    (remote,) = view["segments"][0]["remotes"]
    assert (port["device"], port["macs"]) == ("tap-a", 1)
    assert port["traffic"]["rx_packets"] >= 2  # ARP and ICMP
    assert (remote["address"], remote["flood"], remote["macs"]) == ("192.168.146.136", True, 2)


def test_show_tells_faults(own_scene: Scene) -> None:
    """Where no daemon mends it, a port whose device went down is told in words, and the plan puts it right."""
    h1 = own_scene.h1
    with h1.node.enter():
        Datapath(h1.run_dir).apply(plan(load(h1.file), read(h1.run_dir)))
    assert h1.json("show")["faults"] == []
    h1.node.ip("link set tap-a down")
    assert h1.json("show")["faults"] == [{"kind": "port", "name": "tap-a", "fault": "its device is down"}]
    assert "  fault: port tap-a: its device is down\n" in h1("show")
    assert h1("plan", str(h1.file)).splitlines()[0] == "+ port tap-a  segment blue  (its device is down)"


def test_each_namespace_has_its_own(scene: Scene) -> None:
    """A run directory of another namespace's vxnet shows nothing here."""
    assert scene.h1.error("show", run_dir=scene.h2.run_dir).startswith("vxnet is not up in this network namespace")


# --- fdb ------------------------------------------------------------------------------------------------------------


def test_fdb(scene: Scene) -> None:
    """Each MAC is where it spoke from, and a static entry where the file says."""
    assert scene.a.ping(scene.b)
    assert [re.sub(r"age \d+", "age N", line) for line in scene.h1("fdb").splitlines()] == [
        f"{MAC_A} dev tap-a vni 5001 segment blue age N learned",
        f"{MAC_B} dst 192.168.146.136 vni 5001 segment blue age N learned",
        f"{MAC_STATIC} dst 192.168.146.136 vni 5001 segment blue static",
    ]
    assert scene.h1("fdb", "red") == ""


def test_fdb_json(scene: Scene) -> None:
    """JSON rows have port or remote, and an age that is null for a static entry."""
    rows = scene.h1.json("fdb", "blue")
    ages = [row.pop("age") for row in rows]
    common = {"segment": "blue", "vni": 5001, "duplicate": False}
    assert rows == [
        common | {"mac": MAC_A, "port": "tap-a", "state": "learned"},
        common | {"mac": MAC_B, "remote": "192.168.146.136", "state": "learned"},
        common | {"mac": MAC_STATIC, "remote": "192.168.146.136", "state": "static"},
    ]
    assert ages[2] is None
    assert all(0 <= age < 300 for age in ages[:2])


# --- stats ----------------------------------------------------------------------------------------------------------


def test_stats_count_packets(scene: Scene) -> None:
    """What passes is counted at the port and at the underlay, both ways round, in packets and in bytes."""
    before = scene.h1.json("stats")
    assert scene.a.ping(scene.b, count=100, size=56)
    after = scene.h1.json("stats")
    port, segment = (
        {key: after[kind][0][key] - before[kind][0][key] for key in after[kind][0] if key[:3] in {"rx_", "tx_"}}
        for kind in ("ports", "segments")
    )
    # 100 requests and their replies, 98 bytes each; a stray ARP exchange may stand among them.
    assert all(100 <= each[key] <= 104 for each in (port, segment) for key in ("rx_packets", "tx_packets"))
    assert all(9800 <= each[key] <= 9800 + 4 * 42 for each in (port, segment) for key in ("rx_bytes", "tx_bytes"))
    assert (port["rx_bytes"], port["tx_bytes"]) == (segment["tx_bytes"], segment["rx_bytes"])


def test_stats_count_drops(scene: Scene) -> None:
    """A packet of an unknown VNI is counted once under that reason, and told in words."""
    before = scene.h1.json("stats")["drops"]["unknown-vni"]
    packet = bytes.fromhex("08000000 0003e700") + bytes(60)
    with scene.h2.node.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet, (str(scene.h1.node.address), 4789))
    drops = scene.h1.node.wait(
        lambda: (now := scene.h1.json("stats")["drops"])["unknown-vni"] > before and now, what="the drop to be counted"
    )
    assert drops["unknown-vni"] == before + 1
    assert re.search(
        rf"^ *{before + 1}  unknown-vni  a VXLAN packet for a VNI that no segment", scene.h1("stats"), re.MULTILINE
    )
    assert f"{before + 1} unknown-vni" in scene.h1("show")


def test_stats_table(scene: Scene) -> None:
    """The table has a row for each port and one for each segment's underlay side."""
    rows = [line.split()[:2] for line in scene.h1("stats").partition("\n\n")[0].splitlines()]
    assert rows == [["SEGMENT", "PORT"], ["blue", "tap-a"], ["blue", "(underlay)"], ["red", "(underlay)"]]
