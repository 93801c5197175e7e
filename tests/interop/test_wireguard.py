# SPDX-License-Identifier: Apache-2.0
"""vxnet over WireGuard: the underlay is the tunnel's device, which has no Ethernet header, and nothing goes beside it.

a --tap-a-- [ h1 ] wg 172.16.0.1 ~~~ encrypted, UDP 51820, over eth0 ~~~ wg 172.16.0.2 [ h2 ] --tap-b-- b

wireguard-go over a TUN, for kernels without WireGuard; the kernel's device is of the same type (ARPHRD_NONE). And what
IPsec policies of the host do not do, which is why SECURITY.md asks for a device.
"""

from __future__ import annotations

import socket
import subprocess
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.labs import two_hosts
from tests.support.running import Host, Pair, pair_in, wait
from tests.support.vteps import transfer
from vxnet.lab import Lab
from vxnet.model import HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

INNER = IPv4Address("172.16.0.1"), IPv4Address("172.16.0.2")
UNDERLAY_MTU = 1500
WIREGUARD = 20 + 8 + 32
"""Bytes that WireGuard puts around a packet: outer IPv4 and UDP, its header and tag (wireguard.com/protocol)."""

VXLAN = 50
ECHO = 28
"""Bytes of IPv4's and ICMP's headers."""

PLAIN = b"nobody on the way is to read this"


class Overlay(NamedTuple):
    """The lab drawn above, up, and h1's WireGuard process."""

    h1: Host
    h2: Host
    a: Node
    b: Node
    device: str
    state: HostState


def tunnels(one: Node, other: Node, folder: Path, name: str) -> None:
    """Join two hosts by WireGuard."""
    public = {}
    for node in (one, other):
        secret = subprocess.run(("wg", "genkey"), capture_output=True, text=True, check=True).stdout
        (folder / f"{node.name}.key").write_text(secret)
        done = subprocess.run(("wg", "pubkey"), input=secret, capture_output=True, text=True, check=True)
        public[node.name] = done.stdout.strip()
    for node, peer, (mine, its) in ((one, other, INNER), (other, one, INNER[::-1])):
        device = f"{name}{node.name}"
        node.popen("wireguard-go", "--foreground", device, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda node=node, device=device: device in node.ip("-br link"), "the device")  # type: ignore[misc]
        settings = ("private-key", str(folder / f"{node.name}.key"), "listen-port", "51820")
        reached = ("endpoint", f"{peer.address}:51820", "allowed-ips", f"{its}/32")
        words = ("wg", "set", device, *settings, "peer", public[peer.name], *reached)
        wait(
            lambda node=node, words=words: node.run(*words, check=False).returncode == 0,  # type: ignore[misc]
            "WireGuard to take its settings",
        )
        node.ip(f"address add {mine}/24 dev {device}")
        node.ip(f"link set {device} up mtu {UNDERLAY_MTU - WIREGUARD}")


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    """Build it; h1 has a default route beside the tunnel, which a packet without encryption could take."""
    with Lab.unique("wg") as lab:
        node1, node2 = two_hosts(lab)
        mtu = UNDERLAY_MTU - WIREGUARD - VXLAN
        a = lab.vm("a", on=node1, address="10.0.0.1/24", mtu=mtu)
        b = lab.vm("b", on=node2, address="10.0.0.2/24", mtu=mtu)
        name = f"w{lab.name[-6:]}"
        tunnels(node1, node2, tmp_path, name)
        node1.ip(f"route add default via {node2.address}")
        h1, h2 = Host(node1, tmp_path), Host(node2, tmp_path)
        states = [
            HostState(
                vtep=Vtep(local=local),
                segments=(Segment(name="blue", vni=10, remotes=(remote,)),),
                ports=(Port(device=vm.device, segment="blue"),),
            )
            for vm, (local, remote) in ((a, INNER), (b, INNER[::-1]))
        ]
        for host, state in zip((h1, h2), states, strict=True):
            host.up(state)
        yield Overlay(h1, h2, a, b, f"{name}{node1.name}", states[0])
        for host in (h1, h2):
            host.down()


def say(source: Node, target: Node) -> None:
    """Send a datagram that could be read."""
    with source.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(PLAIN, (str(target.address), 9))


def test_everything_passes_and_nothing_can_be_read(overlay: Overlay, tmp_path: Path) -> None:
    """Machines talk; on the wire there is WireGuard alone, and none of their words."""
    node = overlay.h1.node
    with (
        node.capture("eth0", tmp_path / "wire.pcap", matching="ip") as wire,
        node.capture(overlay.device, tmp_path / "tunnel.pcap") as tunnel,
    ):
        assert overlay.a.ping(overlay.b, count=3)
        say(overlay.a, overlay.b)
        assert overlay.a.ping(overlay.b)  # what was sent before has left by then
    assert PLAIN in (tmp_path / "tunnel.pcap").read_bytes(), "before the encryption it is there"
    assert ("10", "172.16.0.2,10.0.0.2") in tunnel.fields("vxlan.vni", "ip.dst", matching="icmp")
    assert PLAIN not in (tmp_path / "wire.pcap").read_bytes()
    assert set(wire.fields("udp.dstport")) == {("51820",)}


def test_a_stream_arrives_whole(overlay: Overlay) -> None:
    """TCP, with its large segments, gets through as it was sent."""
    assert transfer(overlay.a, overlay.b, str(overlay.b.address), 4 << 20)


def test_the_mtu_is_what_is_left(overlay: Overlay, tmp_path: Path) -> None:
    """110 bytes below the wire's, over IPv4: that passes in one piece, and `show` says so."""
    mtu = UNDERLAY_MTU - WIREGUARD - VXLAN
    assert mtu == 1390
    assert f"mtu for tenants: {mtu}" in overlay.h1.vxnet("show").stdout
    with overlay.h1.node.capture("eth0", tmp_path / "wire.pcap", matching="ip") as wire:
        assert overlay.a.ping(overlay.b, size=mtu - ECHO, df=True)
    sizes = {int(length) for (length,) in wire.fields("ip.len")}
    # WireGuard fills up to 16 bytes, but not beyond its device's MTU.
    assert max(sizes) == UNDERLAY_MTU
    assert {more for (more,) in wire.fields("ip.flags.mf")} <= {"0", "False"}


def test_without_the_tunnel_nothing_is_sent(overlay: Overlay, tmp_path: Path) -> None:
    """When WireGuard ends nothing takes the default route in its place; the daemon says what is missing."""
    assert overlay.a.ping(overlay.b)
    with overlay.h1.node.capture("eth0", tmp_path / "wire.pcap", matching="ip") as wire:
        overlay.h1.node.ip(f"link delete {overlay.device}")
        say(overlay.a, overlay.b)
        assert not overlay.a.ping(overlay.b, timeout=0.2)
        wait(lambda: f"no device has {INNER[0]}" in overlay.h1.log(), "the daemon to notice")
        say(overlay.a, overlay.b)
        assert not overlay.a.ping(overlay.b, timeout=0.2)
        assert overlay.h1.node.ping(overlay.h2.node)  # the wire is captured
    assert PLAIN not in (tmp_path / "wire.pcap").read_bytes()
    assert wire.fields("vxlan.vni") == [("",)] * len(wire.fields("ip.len"))


# ---- IPsec by policies -----------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two hosts over plain Ethernet."""
    with pair_in(tmp_path, "xfrm") as pair:
        yield pair


def test_ipsec_policies_of_the_host_do_not_hold(pair: Pair) -> None:
    """A policy that forbids VXLAN to a remote holds for the host's own packets, and for none of the fast path."""
    assert pair.a.ping(pair.b, count=2)
    policy = "xfrm policy add dst 192.168.146.136/32 proto udp dport 4789 dir out action block"
    pair.h1.node.ip(policy)
    with pair.h1.node.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:  # noqa: SIM117
        with pytest.raises(PermissionError):
            own.sendto(PLAIN, ("192.168.146.136", 4789))
    assert pair.a.ping(pair.b, count=3), "it does hold now: SECURITY.md and docs/how-it-works.md say otherwise"
