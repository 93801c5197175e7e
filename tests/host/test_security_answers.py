# SPDX-License-Identifier: Apache-2.0
"""Port security and local answers between real machines, whose kernels ask, claim and believe as kernels do.

a --tap-a-- [ h1 ] eth0 ------------- eth0 [ h2 ] --tap-b-- b
c --tap-c----'

a's and c's ports are secured; h1 answers for b, h2 for a.
"""

from __future__ import annotations

import socket
import threading
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING

import pytest

from tests.support.labs import H1, H2, unreachable
from tests.support.nets import Net, net_in
from vxnet.drops import drop_reason
from vxnet.lab import wait_until
from vxnet.model import HostState, Neighbour, Port, Segment, Source, Vtep
from vxnet.packet import ethernet, ip, nd
from vxnet.packet.arp import REPLY, Arp
from vxnet.packet.mac import BROADCAST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Capture, Node

VNI = 5001
SPOOFED = drop_reason("SPOOFED")
ALIEN4, ALIEN6 = IPv4Address("10.0.0.77"), IPv6Address("fd00::77")
QUESTIONS = "arp.opcode == 1 || (icmpv6.type == 135 && vxlan)"
"""What a display filter of tshark calls ARP requests and neighbour solicitations."""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Both hosts, up as it is drawn."""
    with net_in(tmp_path_factory.mktemp("security"), "vxsafe", ipv6=True) as net:
        bring(net)
        net.h2.become(
            HostState(
                vtep=Vtep(local=H2),
                segments=(Segment(name="blue", vni=VNI, remotes=(H1,)),),
                ports=(Port(device="tap-b", segment="blue"),),
                neighbours=neighbours(net.a),
            )
        )
        yield net


@pytest.fixture(autouse=True)
def _forgetful(net: Net) -> None:
    """Let every test begin with machines that know nobody's MAC."""
    bring(net)
    for vm in (net.a, net.b, net.c):
        vm.ip("neighbour flush dev eth0")


def bring(net: Net, sources: tuple[Source, ...] | None = None) -> None:
    """Bring h1 to its state, with these sources for a's port, or a's own."""
    net.h1.become(
        HostState(
            vtep=Vtep(local=H1),
            segments=(Segment(name="blue", vni=VNI, remotes=(H2,)),),
            ports=(
                Port(device="tap-a", segment="blue", sources=own(net.a) if sources is None else sources),
                Port(device="tap-c", segment="blue", sources=own(net.c)),
            ),
            neighbours=neighbours(net.b),
        )
    )


def own(vm: Node) -> tuple[Source, ...]:
    """Return the sources of a machine: its addresses, and its link-local one."""
    return tuple(Source(vm.mac, str(ip_network(address))) for address in (*vm.addresses, link_local(vm.mac)))


def link_local(mac: str) -> IPv6Address:
    """Return the address that a kernel makes of a MAC (RFC 4291, appendix A)."""
    raw = bytearray.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes((raw[0] ^ 2, *raw[1:3], 0xFF, 0xFE, *raw[3:])))


def neighbours(vm: Node) -> tuple[Neighbour, ...]:
    """Return a machine's addresses as neighbours."""
    return tuple(Neighbour(segment="blue", address=str(address), mac=vm.mac) for address in vm.addresses)


def spoofed(net: Net) -> int:
    """Return how many frames h1 has refused."""
    return net.h1.overview().drops.get(SPOOFED.name, 0)


def counted(net: Net, frames: int) -> bool:
    """Tell whether h1 has refused so many frames."""
    return spoofed(net) == frames


def send(vm: Node, frame: bytes) -> None:
    """Let a machine send a frame of any content."""
    with vm.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(frame)


def asked(capture: Capture) -> list[tuple[str, ...]]:
    """Return the questions to all that a capture of the underlay has seen inside VXLAN."""
    rows = capture.fields("eth.dst", matching=QUESTIONS)
    return [row for row in rows if int(row[0].rpartition(",")[2][:2], 16) & 1]


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_a_machine_is_found_without_a_question_on_the_underlay(net: Net, tmp_path: Path, family: int) -> None:
    """Both ends find each other's MAC by answers of their own host alone, and believe them."""
    with net.h1.node.capture("eth0", tmp_path / "underlay.pcapng", matching="udp port 4789") as capture:
        assert net.a.ping(net.b.addresses[family], count=3)
        assert net.b.ping(net.a.addresses[family], count=3)
    assert asked(capture) == []
    known = net.a.ip("neighbour", "show", str(net.b.addresses[family]))
    assert net.b.mac in known


def test_who_is_not_known_is_asked_for_as_ever(net: Net, tmp_path: Path) -> None:
    """c is no neighbour: the question for it reaches the other host, and then c."""
    with net.h1.node.capture("eth0", tmp_path / "underlay.pcapng", matching="udp port 4789") as capture:
        assert net.b.ping(net.c)
        assert net.b.ping(net.c.addresses[1])
    assert len(asked(capture)) >= 2


def test_own_addresses_and_their_allowances_are_enough(net: Net) -> None:
    """A machine with all its addresses allowed loses nothing it says in daily life."""
    before = spoofed(net)
    for vm in (net.b, net.c):
        for address in vm.addresses:
            assert net.a.ping(address, count=5)
            assert vm.ping(net.a.addresses[vm.addresses.index(address)], count=5)
    assert spoofed(net) == before


@pytest.mark.parametrize("address", [ALIEN4, ALIEN6], ids=["ipv4", "ipv6"])
def test_a_spoofed_address_goes_nowhere_and_the_right_one_goes_on(net: Net, address: IPv4Address | IPv6Address) -> None:
    """Packets with an address that is not the port's are dropped and counted, though their MACs' flow is cached."""
    index = int(address.version == 6)
    prefix = f"{address}/{(24, 64)[index]}"
    # Deprecated, so that the kernel takes it only where it is told to.
    net.a.ip("address", "add", prefix, "dev", "eth0", "preferred_lft", "0", *(("nodad",) if index else ()))
    try:
        assert net.a.ping(net.b.addresses[index], count=5)
        before = spoofed(net)
        done = net.a.run(f"ping -c 3 -i 0.05 -W 0.3 -I {address} {net.b.addresses[index]}", check=False)
        assert "100% packet loss" in done.stdout
        assert spoofed(net) >= before + 3
        assert net.a.ping(net.b.addresses[index], count=5)
    finally:
        net.a.ip("address", "delete", prefix, "dev", "eth0")


def test_claims_of_others_addresses_are_dropped(net: Net) -> None:
    """ARP, an advertisement, a packet and a MAC: each one is counted, and b and c believe and learn nothing of it."""
    mac, alien = net.a.mac, "02:00:00:00:00:66"
    victim4, victim6 = net.c.addresses
    assert isinstance(victim4, IPv4Address)
    assert isinstance(victim6, IPv6Address)
    assert net.b.ping(net.c)
    assert net.b.ping(victim6)
    claim = Arp(operation=REPLY, sender_mac=mac, sender_ip=victim4, target_mac=BROADCAST, target_ip=victim4)
    said = nd.Advertisement(target=victim6, mac=mac).encode(link_local(mac), IPv6Address("ff02::1"))
    advertised = ip.IPv6(
        src=link_local(mac), dst=IPv6Address("ff02::1"), next_header=ip.ICMPV6, hop_limit=nd.HOP_LIMIT, payload=said
    )
    packet = ip.IPv4(src=victim4, dst=IPv4Address("10.0.0.2"), protocol=ip.UDP, payload=bytes(8))
    claims = (
        (BROADCAST, mac, ethernet.ARP, claim.encode()),
        ("33:33:00:00:00:01", mac, ethernet.IPV6, advertised.encode()),
        (net.b.mac, mac, ethernet.IPV4, packet.encode()),
        (net.b.mac, alien, 0x88B5, bytes(46)),
    )
    for dst, src, ethertype, payload in claims:
        before = spoofed(net)
        send(net.a, ethernet.Ethernet(dst=dst, src=src, ethertype=ethertype, payload=payload).encode())
        wait_until(partial(counted, net, before + 1), timeout=2, what="the claim to be counted")
    assert mac not in net.b.ip("neighbour", "show", str(victim4))
    assert mac not in net.b.ip("neighbour", "show", str(victim6))
    assert alien not in net.h1.fdb() | net.h2.fdb()


def test_sources_change_under_traffic(net: Net) -> None:
    """What may leave before and after a change always may: no packet of a stream is lost, however often it changes."""
    assert net.a.ping(net.b)
    lost: list[bool] = []
    stream = threading.Thread(target=lambda: lost.append(not net.a.ping(net.b, count=400, interval=0.005)))
    stream.start()
    rounds = 0
    while stream.is_alive():
        more = tuple(Source(net.a.mac, f"10.9.{rounds % 7}.{n}/32") for n in range(rounds % 3))
        bring(net, (*own(net.a), *more))
        rounds += 1
    stream.join()
    assert lost == [False]
    assert rounds > 1


def test_a_source_that_is_taken_away_stops_at_once(net: Net) -> None:
    """Nothing leaves a port whose sources are none; with its sources back, all does."""
    assert net.a.ping(net.b)
    bring(net, ())
    assert unreachable(net.a, net.b, 0.3)
    bring(net)
    assert net.a.ping(net.b)
