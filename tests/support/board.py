# SPDX-License-Identifier: Apache-2.0
"""A host whose every device is in the test's hands: TAPs for the ports, a TAP for the underlay.

    test --write--> tap0 ... tap3 [ host: the real programs, maps, VXLAN device ] under --read--> test
                                                            192.168.146.131, fd00:92::131

The neighbours of all remotes are permanent, so nothing waits for an answer: what a frame causes has happened, as a
rule, when the write returns.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.datapath.dropped import dropped
from vxnet.datapath.kernel import find
from vxnet.datapath.report import overview
from vxnet.datapath.slots import Slots
from vxnet.lab import Lab
from vxnet.model import DOWN, HostState, Port, Segment, Vtep
from vxnet.packet import ethernet, ip
from vxnet.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.datapath.maps import Maps
    from vxnet.datapath.report import Overview
    from vxnet.drops import DropReason
    from vxnet.model import IPAddress
    from vxnet.plan import Change

LOCAL = IPv4Address("192.168.146.131")
GATEWAY = IPv4Address("192.168.146.1")
REMOTES = tuple(map(IPv4Address, ("192.168.146.136", "192.168.146.137", "10.9.9.9")))
"""The last one is behind the gateway."""

LOCAL6, GATEWAY6 = IPv6Address("fd00:92::131"), IPv6Address("fd00:92::1")
REMOTES6 = tuple(map(IPv6Address, ("fd00:92::136", "fd00:92::137", "fd00:99::9")))

PORTS = ("tap0", "tap1", "tap2", "tap3")
UNDERLAY = "under"
UNDERLAY_MAC = "02:aa:00:00:00:83"

BLUE = Segment(name="blue", vni=10, remotes=REMOTES[:2])
GREEN = Segment(name="green", vni=20, group=IPv4Address("239.1.1.1"))


def host_state(*ports: str, segments: tuple[Segment, ...] = (BLUE, GREEN), **more: Any) -> HostState:
    """Return a state with ``ports`` in the first segment."""
    attached = tuple(Port(device=device, segment=segments[0].name) for device in ports)
    return HostState(vtep=Vtep(local=LOCAL), segments=segments, ports=attached, **more)


_NOISE = frozenset({ip.ICMP, 2})
"""What the host itself sends over the underlay: ICMP errors, and IGMP's reports of groups."""
_NOISE6 = frozenset({ip.ICMPV6, 0})
"""The same over IPv6: MLD's reports stand behind hop-by-hop options (0)."""

_PATIENCE = 0.2
_ETHERNET = ethernet.HEADER_LENGTH


def next_hop_mac(address: IPAddress) -> str:
    """Return the MAC that a packet to this remote is sent to."""
    near = address if address in _NEAR else GATEWAY if isinstance(address, IPv4Address) else GATEWAY6
    return f"02:bb:{near.packed[-4:].hex(':')}"


_NEAR: tuple[IPAddress, ...] = (*REMOTES[:2], GATEWAY, *REMOTES6[:2], GATEWAY6)


def group_mac(group: IPAddress) -> str:
    """Return the MAC of a multicast group (RFC 1112, section 6.4; RFC 2464, section 7)."""
    if isinstance(group, IPv6Address):
        return f"33:33:{group.packed[-4:].hex(':')}"
    return f"01:00:5e:{group.packed[1] & 0x7F:02x}:{group.packed[2:].hex(':')}"


class Heard(msgspec.Struct, frozen=True):
    """What came out: (device, frame) of ports, and the VXLAN packets, with their Ethernet header, of the underlay."""

    copies: Counter[tuple[str, bytes]]
    packets: list[bytes]

    @property
    def count(self) -> int:
        """How many copies there are in all."""
        return self.copies.total() + len(self.packets)


@contextmanager
def open_board(name: str, folder: Path) -> Iterator[Board]:
    """A board in a lab of its own, for as long as the ``with`` block lasts; nothing of it is left behind."""
    with Lab.unique(name) as lab:
        board = Board(lab, folder / "run")
        yield board
        board.bring(DOWN)


class Board:
    """One such host in a lab, and the switch on it."""

    def __init__(self, lab: Lab, run_dir: Path) -> None:
        """Make the host with its devices; the switch is down."""
        self.host = lab.host("h", f"{LOCAL}/24")
        self._underlay = self.host.tap(UNDERLAY)
        self._ports = {device: self.host.tap(device) for device in PORTS}
        self.host.ip("link", "set", UNDERLAY, "address", UNDERLAY_MAC)
        self.host.ip("address", "add", f"{LOCAL}/24", "dev", UNDERLAY)
        self.host.run(f"sysctl -qw net.ipv6.conf.{UNDERLAY}.disable_ipv6=0")
        self.host.ip("address", "add", f"{LOCAL6}/64", "dev", UNDERLAY, "nodad")
        for gateway in (GATEWAY, GATEWAY6):
            self.host.ip("route", "add", "default", "via", str(gateway), "dev", UNDERLAY)
        for near in _NEAR:
            words = ("neighbour", "add", str(near), "lladdr", next_hop_mac(near), "dev", UNDERLAY, "nud", "permanent")
            self.host.ip(*words)
        self.run_dir = run_dir
        self._maps: Maps | None = None
        with self.host.enter():
            self.datapath = Datapath(run_dir)

    # ---- the switch ----

    def bring(self, state: HostState) -> tuple[Change, ...]:
        """Bring the switch to ``state`` and return what was changed; then nothing is left to be changed."""
        with self.host.enter():
            changes = plan(state, read(self.run_dir))
            self.datapath.apply(changes)
            actual = read(self.run_dir)
            assert not actual.faults
            assert plan(state, actual) == ()
            if state != DOWN:
                self._look(find(self.run_dir))
        return changes

    def _look(self, maps: Maps | None) -> None:
        assert maps is not None
        if self._maps:
            self._maps.close()
        self._maps = maps
        self.slots = Slots(maps)

    @property
    def maps(self) -> Maps:
        """The maps of the switch, which is up."""
        assert self._maps is not None
        return self._maps

    def overview(self) -> Overview:
        """Return what `vxnet show` has of it."""
        with self.host.enter():
            return overview(self.run_dir)

    def index(self, device: str) -> int:
        """Return the number of a device of the host."""
        with self.host.enter():
            return socket.if_nametoindex(device)

    def sweep(self) -> int:
        """Let it free what has aged out."""
        return self.datapath.sweep(time.monotonic_ns())

    def drops(self) -> Counter[DropReason]:
        """Return the drops so far, the kernel's own with them."""
        with self.host.enter():
            seen = dropped(self.maps)
        return Counter({reason: frames for reason, frames in seen.items() if frames})

    # ---- frames ----

    def from_port(self, device: str, frame: bytes) -> None:
        """Let the port's machine send ``frame``."""
        self._ports[device].write(frame)

    def from_underlay(self, packet: bytes) -> None:
        """Let ``packet`` (with its Ethernet header) arrive on the underlay device."""
        self._underlay.write(packet)

    def hear(self, expected: int) -> Heard:
        """Return what came out since the last time; wait a moment if it is less than the ``expected`` number of copies.

        What comes too late, or is too much, is heard the next time.
        """
        heard = self._ready()
        deadline = time.monotonic() + _PATIENCE
        while heard.count < expected and time.monotonic() < deadline:
            more = self._ready()
            heard = Heard(heard.copies + more.copies, heard.packets + more.packets)
        return heard

    def _ready(self) -> Heard:
        copies = Counter((device, frame) for device, tap in self._ports.items() for frame in tap.read_all())
        return Heard(copies, [packet for packet in self._underlay.read_all() if not _is_noise(packet)])


def _is_noise(packet: bytes) -> bool:
    match int.from_bytes(packet[12:14], "big"):
        case ethernet.IPV4:
            return packet[_ETHERNET + 9] in _NOISE
        case ethernet.IPV6:
            return packet[_ETHERNET + 6] in _NOISE6
        case ethertype:
            return ethertype == ethernet.ARP
