# SPDX-License-Identifier: Apache-2.0
"""The lab that is attacked: two machines that talk, one of a tenant who does harm, and a VTEP that does.

a --tap-a-.
e --tap-e--[ h1 ] eth0 ---+
e2 -tap-e2-'              |
b --tap-b--[ h2 ] eth0 ---+--- switch
d --tap-d--'              |
           [ mallory ] ---'    a remote of h1 and h2 that was taken over: it runs no vxnet

a and b are the victims, d is a bystander, e and e2 are the attacker's, all in segment blue.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tests.support.labs import H1, H2
from tests.support.running import Host
from vxnet.lab import Lab
from vxnet.model import HostState, Port, Segment, Vtep
from vxnet.packet.ethernet import Ethernet
from vxnet.packet.vxlan import encapsulate, onto_ethernet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address
    from pathlib import Path

    from vxnet.lab import Node

MALLORY = "192.168.146.66"
VNI = 5001
TEST_TYPE = 0x88B5
"""EtherType for local experiments (IEEE 802)."""


class Net(NamedTuple):
    """The lab drawn above; ``one`` and ``two`` are what h1 and h2 are to be unless a test says otherwise."""

    h1: Host
    h2: Host
    mallory: Node
    a: Node
    b: Node
    d: Node
    e: Node
    e2: Node
    one: HostState
    two: HostState

    def up(self) -> None:
        """Bring both hosts to what is drawn, as if nothing had been."""
        for host, its in ((self.h1, self.one), (self.h2, self.two)):
            if not host.pid or host.changes(its):
                host.up(its)
        assert self.a.ping(self.b, timeout=3)

    def dropped(self, reason: str) -> int:
        """Return how many frames h1 has dropped for a reason."""
        return self.h1.overview().drops[reason]


@contextmanager
def hostile(folder: Path) -> Iterator[Net]:
    """Build it; vxnet is not up yet."""
    with Lab.unique("vxevil") as lab:
        h1, h2, mallory = (
            lab.host(name, f"{address}/24") for name, address in (("h1", H1), ("h2", H2), ("mallory", MALLORY))
        )
        lab.switch("s", h1, h2, mallory)
        a, e, e2 = (lab.vm(name, on=h1, address=f"10.0.0.{n}/24") for name, n in (("a", 1), ("e", 5), ("e2", 6)))
        b, d = (lab.vm(name, on=h2, address=f"10.0.0.{n}/24") for name, n in (("b", 2), ("d", 4)))
        net = Net(
            Host(h1, folder),
            Host(h2, folder),
            mallory,
            a,
            b,
            d,
            e,
            e2,
            state(H1, H2, "tap-a", "tap-e", "tap-e2"),
            state(H2, H1, "tap-b", "tap-d"),
        )
        yield net
        for host in (net.h1, net.h2):
            host.down()


def state(local: IPv4Address, remote: IPv4Address, *devices: str) -> HostState:
    """Return a host in blue whose remotes are the other host and mallory."""
    remotes = (remote, MALLORY)
    return HostState(
        vtep=Vtep(local=local),
        segments=(
            Segment(
                name="blue",
                vni=VNI,
                remotes=tuple(type(local)(address) for address in remotes),
                senders=tuple(sorted(f"{address}/32" for address in remotes)),
            ),
        ),
        ports=tuple(Port(device=device, segment="blue") for device in devices),
    )


def blue(now: HostState, **settings: object) -> HostState:
    """Return the same host with other settings of its segment."""
    return replace(now, segments=(replace(now.segments[0], **settings),))


def frame(src: str, dst: str = "ff:ff:ff:ff:ff:ff") -> bytes:
    """Return a frame that is not IP; broadcast unless said otherwise."""
    return Ethernet(dst=dst, src=src, ethertype=TEST_TYPE, payload=bytes(46)).encode()


def macs(count: int, prefix: str = "02:66:00") -> list[str]:
    """Return so many different MACs of nobody."""
    return [f"{prefix}:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}" for n in range(count)]


def wrapped(net: Net, inner: bytes, src: str = MALLORY) -> bytes:
    """Return a frame for mallory's eth0 that brings ``inner`` to h1, from mallory or from whom it says."""
    address = type(H1)
    packet = encapsulate(inner, vni=VNI, src=address(src), dst=H1)
    with net.h1.node.enter():
        dst = net.h1.node.mac
    return onto_ethernet(packet, src_mac=net.mallory.mac, dst_mac=dst)
