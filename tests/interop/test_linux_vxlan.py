# SPDX-License-Identifier: Apache-2.0
"""vxnet and Linux's own VXLAN device make one network, whichever way the peer is set up and whoever speaks first.

a --tap-a-- [ h1: vxnet ] eth0 ---- [ s ] ---- eth0 [ h2: bridge and VXLAN device ] --tap-b-- b

The switch s has IGMP snooping on: whom it knows as a member of a group has told it so by IGMP.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.interop.linux_peer import LinuxVxlan
from tests.support.labs import H1, H2
from tests.support.running import Host
from tests.support.vteps import transfer
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.model import VNI_MAX, VXLAN_PORT, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node, Ping

GROUP = IPv4Address("239.1.1.1")
MEGABYTE = 1 << 20


class Setting(NamedTuple):
    """How both hosts are set up; ``appended``: the peer's remote is an FDB entry and not the device's ``remote``."""

    vni: int = 5001
    dstport: int = VXLAN_PORT
    group: IPv4Address | None = None
    checksum: bool = True
    appended: bool = False

    @property
    def host_state(self) -> HostState:
        """What h1 is to be."""
        remotes = () if self.group else (H2,)
        return HostState(
            vtep=Vtep(local=H1, dstport=self.dstport),
            segments=(Segment(name="blue", vni=self.vni, remotes=remotes, group=self.group),),
            ports=(Port(device="tap-a", segment="blue"),),
        )

    def peer(self, h2: Node) -> LinuxVxlan:
        """Make of h2 the peer; UDP checksums are on unless Linux is told otherwise."""
        remote = {"group": self.group} if self.group else {"appended" if self.appended else "remote": H1}
        options = () if self.checksum else ("noudpcsum",)
        return LinuxVxlan(h2, "tap-b", vni=self.vni, dstport=self.dstport, options=options, **remote)


SETTINGS = {
    "remote": Setting(),
    "remote-appended": Setting(appended=True),
    "remote-without-checksums": Setting(checksum=False),
    "remote-port-8472": Setting(dstport=8472),
    "group": Setting(group=GROUP),
    "group-port-8472-without-checksums": Setting(group=GROUP, dstport=8472, checksum=False),
    "highest-vni": Setting(vni=VNI_MAX, checksum=False),
}
CASES = [(name, speaker) for name in SETTINGS for speaker in "ab"]


class Overlay(NamedTuple):
    """A fresh lab after its very first ping, with what was to be seen then; ``asker`` sent it."""

    setting: Setting
    h1: Host
    h2: LinuxVxlan
    a: Node
    b: Node
    asker: Node
    first: Ping
    arp: list[tuple[str, ...]]
    learned: tuple[dict[str, str], dict[str, str]]
    members: set[str]


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{speaker}-first" for name, speaker in CASES])
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overlay]:
    """Build the lab drawn above, and let one VM ping the other."""
    name, speaker = request.param
    setting, folder = SETTINGS[name], tmp_path_factory.mktemp("linux")
    with Lab.unique("ioplinux") as lab:
        node1, node2 = lab.host("h1", f"{H1}/24"), lab.host("h2", f"{H2}/24")
        switch = lab.switch("s", node1, node2)
        switch.ip("link set br0 type bridge mcast_snooping 1")
        a = lab.vm("a", on=node1, address=["10.0.0.1/24", "fd00::1/64"])
        b = lab.vm("b", on=node2, address=["10.0.0.2/24", "fd00::2/64"])
        h1, h2 = Host(node1, folder), setting.peer(node2)
        h1.up(setting.host_state)
        if setting.group:
            wait_until(lambda: members(switch) == {"h1", "h2"}, what="both hosts to join the group by IGMP")
        asker, asked = (a, b) if speaker == "a" else (b, a)
        with node1.capture("eth0", folder / "first.pcapng", matching=f"udp port {setting.dstport}") as capture:
            first = asker.ping(asked)
        fields = ("arp.opcode", "eth.src", "eth.dst", "ip.src", "ip.dst", "vxlan.vni")
        arp = capture.fields(*fields, matching="vxlan and arp", dstport=setting.dstport)
        both_learned = learned(h1), h2.learned()
        yield Overlay(setting, h1, h2, a, b, asker, first, arp, both_learned, members(switch))
        h1.down()
        assert h1.remains() == []


def members(switch: Node) -> set[str]:
    """Return who has told the switch by IGMP that it is in the group."""
    tables = json.loads(switch.run("bridge -j mdb show").stdout)
    return {entry["port"] for table in tables for entry in table["mdb"] if entry["grp"] == str(GROUP)}


def learned(host: Host) -> dict[str, str]:
    """Return where each MAC is, by `vxnet fdb`: a device or a remote."""
    rows = json.loads(host.vxnet("fdb", "--json").stdout)
    return {row["mac"]: row.get("port") or row["remote"] for row in rows if row["state"] == "learned"}


def neighbour(vm: Node, other: Node) -> str:
    """Return the MAC that a VM has resolved for another one."""
    return str(json.loads(vm.ip("-j", "neigh", "show", str(other.address), "dev", "eth0"))[0]["lladdr"])


def trouble(overlay: Overlay) -> dict[str, int]:
    """Return what either side has dropped or counted as an error so far.

    Not always nothing at first: what a VM multicasts while the other side attaches its port reaches nobody there.
    """
    drops = {str(reason): count for reason, count in overlay.h1.overview().drops.items() if count}
    return drops | overlay.h2.errors()


def test_the_first_ping_is_answered(overlay: Overlay) -> None:
    """The first request of all is answered, with nothing known on either side before."""
    assert overlay.first


def test_arp_goes_through_the_tunnel(overlay: Overlay) -> None:
    """The request is flooded to the group or the remote, the answer is known unicast, both with the VNI."""
    asker, asked, ends = overlay.a, overlay.b, (H1, H2)
    if overlay.asker is overlay.b:
        asker, asked, ends = overlay.b, overlay.a, (H2, H1)
    vni = str(overlay.setting.vni)
    question, answer = overlay.arp[:2]
    assert question[0] == "1"
    assert question[1].endswith(f",{asker.mac}")
    assert question[2].endswith(",ff:ff:ff:ff:ff:ff")
    assert question[3:] == (str(ends[0]), str(overlay.setting.group or ends[1]), vni)
    assert answer[0] == "2"
    assert answer[1].endswith(f",{asked.mac}")
    assert answer[2].endswith(f",{asker.mac}")
    assert answer[3:] == (str(ends[1]), str(ends[0]), vni)
    assert neighbour(asker, asked) == asked.mac


def test_both_sides_learn(overlay: Overlay) -> None:
    """After one ping each side knows where the VMs are."""
    ours, theirs = overlay.learned
    assert ours == {overlay.a.mac: "tap-a", overlay.b.mac: str(H2)}
    assert theirs == {overlay.a.mac: str(H1)}


def test_groups_are_joined_by_igmp(overlay: Overlay) -> None:
    """The switch has heard both hosts' memberships; without a group it has heard none."""
    assert overlay.members == ({"h1", "h2"} if overlay.setting.group else set())


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_pings_of_all_sizes(overlay: Overlay, family: int) -> None:
    """Requests up to the tenants' MTU are answered in both directions; nobody drops a thing."""
    largest = 1450 - (20, 40)[family] - 8
    before, troubled = overlay.h2.packets(), trouble(overlay)
    for vm, other in ((overlay.a, overlay.b), (overlay.b, overlay.a)):
        for size in (0, 56, largest):
            assert vm.ping(other.addresses[family], count=5, size=size)
    assert overlay.h2.packets() - before >= 30
    assert trouble(overlay) == troubled


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("direction", ["from-vxnet", "to-vxnet"])
def test_streams_stay_whole(overlay: Overlay, direction: str, family: int) -> None:
    """Megabytes of TCP arrive as they were sent; nobody drops a thing."""
    sender, receiver = (overlay.a, overlay.b) if direction == "from-vxnet" else (overlay.b, overlay.a)
    troubled = trouble(overlay)
    assert transfer(sender, receiver, receiver.addresses[family], 4 * MEGABYTE)
    assert trouble(overlay) == troubled
