# SPDX-License-Identifier: Apache-2.0
"""vxnet and Linux's own VXLAN device make one network, whichever way the peer is set up and whoever speaks first.

a --tap-a-- [ h1: vxnet ] eth0 ---- [ s ] ---- eth0 [ h2: bridge and VXLAN device ] --tap-b-- b

The switch s has IGMP and MLD snooping on: whom it knows as a member of a group has told it so.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.interop.linux_peer import LinuxVxlan
from tests.support.bothways import BothWays
from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.running import Host
from tests.support.vteps import transfer
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.model import VNI_MAX, VXLAN_PORT, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node, Ping
    from vxnet.model import IPAddress

GROUP, GROUP6 = IPv4Address("239.1.1.1"), IPv6Address("ff05::1:1")
MEGABYTE = 1 << 20


class Setting(NamedTuple):
    """How both hosts are set up; ``appended``: the peer's remote is an FDB entry and not the device's ``remote``."""

    vni: int = 5001
    dstport: int = VXLAN_PORT
    group: IPAddress | None = None
    checksum: bool = True
    appended: bool = False

    ipv6: bool = False

    @property
    def ends(self) -> tuple[IPAddress, IPAddress]:
        """The hosts' addresses."""
        return (H1_6, H2_6) if self.ipv6 else (H1, H2)

    @property
    def tenant_mtu(self) -> int:
        """What the VMs' devices may carry."""
        return 1430 if self.ipv6 else 1450

    @property
    def host_state(self) -> HostState:
        """What h1 is to be."""
        local, remote = self.ends
        remotes = () if self.group else (remote,)
        return HostState(
            vtep=Vtep(local=local, dstport=self.dstport),
            segments=(Segment(name="blue", vni=self.vni, remotes=remotes, group=self.group),),
            ports=(Port(device="tap-a", segment="blue"),),
        )

    def peer(self, h2: Node) -> LinuxVxlan:
        """Make of h2 the peer; UDP checksums are on unless Linux is told otherwise, over IPv6 demanded as well."""
        ours = self.ends[0]
        remote = {"group": self.group} if self.group else {"appended" if self.appended else "remote": ours}
        options = () if self.checksum else ("udp6zerocsumtx",) if self.ipv6 else ("noudpcsum",)
        if self.ipv6:
            options = (*options, "udp6zerocsumrx")
        return LinuxVxlan(h2, "tap-b", vni=self.vni, dstport=self.dstport, options=options, **remote)


SETTINGS = {
    "remote": Setting(),
    "remote-appended": Setting(appended=True),
    "remote-without-checksums": Setting(checksum=False),
    "remote-port-8472": Setting(dstport=8472),
    "group": Setting(group=GROUP),
    "group-port-8472-without-checksums": Setting(group=GROUP, dstport=8472, checksum=False),
    "ipv6-remote": Setting(ipv6=True),
    "ipv6-remote-without-checksums": Setting(ipv6=True, checksum=False),
    "ipv6-group": Setting(ipv6=True, group=GROUP6, checksum=False),
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
        prefix = 64 if setting.ipv6 else 24
        node1, node2 = (lab.host(name, f"{ip}/{prefix}") for name, ip in zip(("h1", "h2"), setting.ends, strict=True))
        switch = lab.switch("s", node1, node2)
        switch.ip("link set br0 type bridge mcast_snooping 1")
        a = lab.vm("a", on=node1, address=["10.0.0.1/24", "fd00::1/64"], mtu=setting.tenant_mtu)
        b = lab.vm("b", on=node2, address=["10.0.0.2/24", "fd00::2/64"], mtu=setting.tenant_mtu)
        h1, h2 = Host(node1, folder), setting.peer(node2)
        h1.up(setting.host_state)
        if setting.group:
            wait_until(lambda: members(switch) == {"h1", "h2"}, what="both hosts to tell that they join the group")
        asker, asked = (a, b) if speaker == "a" else (b, a)
        with node1.capture("eth0", folder / "first.pcapng", matching=f"udp port {setting.dstport}") as capture:
            first = asker.ping(asked)
        ip = "ipv6" if setting.ipv6 else "ip"
        fields = ("arp.opcode", "eth.src", "eth.dst", f"{ip}.src", f"{ip}.dst", "vxlan.vni")
        arp = capture.fields(*fields, matching="vxlan and arp", dstport=setting.dstport)
        both_learned = learned(h1), h2.learned()
        yield Overlay(setting, h1, h2, a, b, asker, first, arp, both_learned, members(switch))
        h1.down()
        assert h1.remains() == []


GROUPS = {str(GROUP), str(GROUP6)}


def members(switch: Node) -> set[str]:
    """Return who has told the switch by IGMP or MLD that it is in the group."""
    tables = json.loads(switch.run("bridge -j mdb show").stdout)
    return {entry["port"] for table in tables for entry in table["mdb"] if entry["grp"] in GROUPS}


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
    asker, asked, ends = overlay.a, overlay.b, overlay.setting.ends
    if overlay.asker is overlay.b:
        asker, asked, ends = overlay.b, overlay.a, ends[::-1]
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
    local, remote = map(str, overlay.setting.ends)
    assert ours == {overlay.a.mac: "tap-a", overlay.b.mac: remote}
    assert theirs == {overlay.a.mac: local}


def test_groups_are_joined(overlay: Overlay) -> None:
    """The switch has heard both hosts' memberships; without a group it has heard none."""
    assert overlay.members == ({"h1", "h2"} if overlay.setting.group else set())


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_pings_of_all_sizes(overlay: Overlay, family: int) -> None:
    """Requests up to the tenants' MTU are answered in both directions; nobody drops a thing."""
    largest = overlay.setting.tenant_mtu - (20, 40)[family] - 8
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


def test_datagrams_of_all_sizes(overlay: Overlay) -> None:
    """From none to many bytes, single, in fragments and in batches, they arrive; nobody drops a thing.

    Linux computes an outer checksum as if the inner one were finished, which between hosts of one machine it is not.
    """
    troubled = trouble(overlay)
    with BothWays(overlay.a, overlay.b) as both:
        both.exchange(1 << 16)
    assert trouble(overlay) == troubled
