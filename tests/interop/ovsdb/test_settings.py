# SPDX-License-Identifier: Apache-2.0
"""Settings that change under a bridge in use: what does not change stays, addresses and other tunnels included."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import REMOTES, Ports, Sent, ports
from vxnet.packet import ethernet, ip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROADCAST_IP = IPv4Address("10.0.0.255")


@pytest.fixture(scope="module")
def built(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Build the host."""
    with ports(tmp_path_factory.mktemp("settings") / "h1", kind, ("t0", "t1")) as made:
        yield made


@pytest.fixture
def host(built: Ports) -> Ports:
    """Return the host with a bridge anew: two TAPs, and a tunnel to each remote."""
    built.clear()
    tunnels = "".join(
        f" -- add-port br0 v{name[1]} -- set interface v{name[1]} type=vxlan options:remote_ip={remote}"
        f" options:key={name[1]}"
        for name, remote in REMOTES.items()
    )
    built.vsctl(f"add-br br0 -- add-port br0 t0 -- add-port br0 t1{tunnels}")
    built.host.ip("link", "set", "br0", "up")
    built.warm()
    return built


def link(host: Ports, name: str) -> tuple[str, int]:
    """Return the MAC and the MTU of a device."""
    found = json.loads(host.host.ip("-j", "link", "show", name))[0]
    return found["address"], found["mtu"]


def addresses(host: Ports, name: str) -> list[str]:
    """Return the IPv4 addresses of a device."""
    found = json.loads(host.host.ip("-j", "-4", "address", "show", "dev", name))[0]
    return [address["local"] for address in found["addr_info"]]


def test_hwaddr_of_a_bridge_with_addresses(host: Ports) -> None:
    """The bridge's device gets its MAC, and keeps its addresses."""
    host.host.ip("address", "add", "10.9.9.1/24", "dev", "br0")
    host.vsctl("set bridge br0 other_config:hwaddr=02:00:00:00:77:01")
    assert link(host, "br0")[0] == "02:00:00:00:77:01"
    assert addresses(host, "br0") == ["10.9.9.1"]
    assert host.vsctl("get interface br0 mac_in_use").strip() == '"02:00:00:00:77:01"'


def test_mtu_request(host: Ports) -> None:
    """Asked for, the MTU is the device's: of the bridge's own port and of one that somebody else made."""
    host.vsctl("set interface br0 mtu_request=1300 -- set interface t0 mtu_request=1350")
    assert (link(host, "br0")[1], link(host, "t0")[1]) == (1300, 1350)
    assert host.vsctl("get interface t0 mtu").strip() == "1350"
    host.vsctl("clear interface br0 mtu_request -- set interface t0 mtu_request=1500")
    host.lab.wait(lambda: link(host, "br0")[1] == 1500, what="the bridge to have the MTU of its ports")


def test_the_same_name_again(host: Ports) -> None:
    """A bridge that goes and comes in one transaction, and one after the other, is a new one each time."""
    host.vsctl("del-br br0 -- add-br br0 -- add-port br0 t0 -- add-port br0 t1")
    assert host.send(Sent("t0"), expecting=1) == [{"t1": "-"}]
    for _ in range(3):
        host.vsctl("del-br br0")
        host.vsctl("add-br br0 -- add-port br0 t0 -- add-port br0 t1 tag=5")
    assert host.send(Sent("t0", "5"), expecting=1) == [{"t1": "-"}]


def test_another_type_and_back(host: Ports) -> None:
    """An interface becomes a tunnel, and an internal port again."""
    host.vsctl("add-port br0 x -- set interface x type=internal")
    assert link(host, "x")
    there = f"options:remote_ip={REMOTES['h2']} options:key=44"
    host.vsctl(f"set interface x type=vxlan {there}")
    assert host.vsctl("get interface x error").strip() == "[]"
    assert "x" not in {found["ifname"] for found in json.loads(host.host.ip("-j", "link"))}
    host.vsctl("set interface x type=internal -- clear interface x options")
    assert host.vsctl("get interface x error").strip() == "[]"
    assert link(host, "x")


def test_one_tunnel_changes_beside_another(host: Ports) -> None:
    """Key, remote and UDP port of one tunnel change; every frame through the other one arrives."""
    for change in ("options:key=12", "options:dst_port=8472", "options:dst_port=4789", "options:key=2"):
        before = host.send(*[Sent("t0")] * 5, expecting=15)
        host.vsctl(f"set interface v2 {change}")
        after = host.send(*[Sent("t0")] * 5, expecting=10)
        assert [way.get("h3") for way in before + after] == ["3 -"] * 10
    host.warm()


def test_a_veth_that_vanishes_and_comes_back(host: Ports) -> None:
    """A port waits for its device, works when it is there, and works again with another device of that name."""
    host.vsctl("add-port br0 ve0")
    assert "No such device" in host.vsctl("get interface ve0 error")
    for _ in range(2):
        host.host.ip("link", "add", "ve0", "type", "veth", "peer", "name", "ve1")
        for device in ("ve0", "ve1"):
            host.host.ip("link", "set", device, "up")
        host.lab.wait(lambda: host.vsctl("get interface ve0 link_state").strip() == "up", what="ve0 to be up")
        host.lab.wait(lambda: got_a_frame(host), what="a frame at ve1")
        host.host.ip("link", "del", "ve0")


def got_a_frame(host: Ports) -> bool:
    """Send a broadcast, and tell whether ve1 has received more than before."""
    before = received(host)
    host.send(Sent("t0"))
    return received(host) > before


def received(host: Ports) -> int:
    """Return how many packets ve1 has received."""
    return int(json.loads(host.host.ip("-j", "-s", "link", "show", "ve1"))[0]["stats64"]["rx"]["packets"])


OUTER = {
    "": ("64", 0),
    "options:ttl=9 options:tos=0x14": ("9", 0x14),
    "options:ttl=inherit options:tos=inherit": ("7", 0xB8),
}
"""TTL and TOS, but for ECN, of the outer header, with a packet inside whose TTL is 7 and whose TOS is 0xb8."""


@pytest.mark.parametrize("settings", OUTER, ids=["default", "fixed", "inherit"])
@pytest.mark.parametrize("ecn", [0, 2])
def test_ttl_and_tos_of_ip(host: Ports, tmp_path: Path, settings: str, ecn: int) -> None:
    """What the outer header has of a tenant's IP packet: nothing, or its TTL and TOS; its ECN field always."""
    if settings:
        host.vsctl(f"set interface v2 {settings}")
    packet = ip.IPv4(
        src=IPv4Address("10.0.0.1"),
        dst=BROADCAST_IP,
        protocol=253,
        ttl=7,
        tos=0xB8 | ecn,
        payload=bytes(30),
    )
    data = ethernet.Ethernet(
        dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:09", ethertype=ethernet.IPV4, payload=packet.encode()
    )
    with host.lab["h2"].capture("eth0", tmp_path / "outer.pcapng", matching="udp dst port 4789") as capture:
        host.taps["t0"].write(data.encode())
        host.lab.wait(lambda: any(True for _ in host.remotes["h2"].read()), what="the packet at h2")
    (found,) = capture.fields("ip.ttl", "ip.dsfield", matching="ip.proto == 253")
    ttl, tos = OUTER[settings]
    assert found[0].split(",")[0] == ttl
    assert int(found[1].split(",")[0], 16) == tos | ecn
