# SPDX-License-Identifier: Apache-2.0
"""A host whose switch `ovs-vsctl` tells what to do, with frames sent in at every side and looked for at all others.

    t0, t1, ...  TAPs of this program --[ br0 ]-- tunnels v2, v3 ~ [ br-phy ] eth0 --- h2 192.168.146.132   a UDP socket
                                                                                   '-- h3 192.168.146.133   a UDP socket

A frame carries its number, so what comes out anywhere is known to be that frame. Tags are written as VID[pPCP], a tag
of 802.1ad as s:VID, from the outside in and with a slash between: "10p3/20"; "-" is a frame without a tag.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import struct
import time
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

from vxnet.lab import Lab
from vxnet.lab.vswitch import VSwitch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vxnet.lab import Node, Tap

LOCAL = IPv4Address("192.168.146.131")
REMOTES = {"h2": IPv4Address("192.168.146.132"), "h3": IPv4Address("192.168.146.133")}
PORT = 4789

BROADCAST = "ff:ff:ff:ff:ff:ff"
LATE = 2.0
"""Seconds after which a frame that is expected is taken for lost."""
QUIET = 0.08
"""Seconds without a frame after which no more are expected."""

ETHERTYPE = 0x88B5
"""IEEE 802 local experimental Ethertype 1: no switch and no kernel takes an interest in it."""
MARK = b"vxnet test frame"
TPIDS = {"": 0x8100, "s": 0x88A8}
NAMES = {tpid: name for name, tpid in TPIDS.items()}

SO_NO_CHECK = 11
"""asm-generic/socket.h: send UDP without a checksum, which a userspace switch would find unfilled on a veth."""


class Sent(NamedTuple):
    """One frame to be sent: at the TAP ``at``, or by the remote ``at`` in VNI ``vni``."""

    at: str
    tags: str = "-"
    dst: str = BROADCAST
    src: str = "02:00:00:00:00:01"
    vni: int = 0
    flags: int = 0x08


Seen = dict[str, str]
"""Where a frame came out, and how: the tags at a TAP, "VNI tags" at a remote."""


class Remote:
    """A VTEP made by hand: everything that comes to its UDP port is kept, and it sends what it is told to."""

    def __init__(self, node: Node, address: IPv4Address, port: int = PORT) -> None:
        with node.enter():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        self._socket.bind((str(address), port))
        self._socket.settimeout(0)

    def send(self, frame: bytes, vni: int, *, flags: int = 0x08, to: IPv4Address = LOCAL, port: int = PORT) -> None:
        """Wrap a frame and send it."""
        self._socket.sendto(struct.pack("!B3xI", flags, vni << 8) + frame, (str(to), port))

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Return (VNI, frame) of all that is there; the rest of the header has to be as it should."""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self._socket.recv(1 << 16)
                flags, word = struct.unpack_from("!II", packet)
                assert (flags, word & 0xFF) == (0x08000000, 0), packet[:8].hex()
                yield word >> 8, packet[8:]

    def fileno(self) -> int:
        """Return the socket, for select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Ports:
    """The host drawn above, and everything frames can come and go by."""

    def __init__(self, lab: Lab, folder: Path, kind: str, taps: Iterable[str]) -> None:
        """Build it; br-phy has eth0 and the host's address, br0 is not there yet."""
        self.lab = lab
        self.kind = kind
        self.host = lab.host("h1", f"{LOCAL}/24")
        far = {name: lab.host(name, f"{address}/24") for name, address in REMOTES.items()}
        lab.switch("fabric", self.host, *far.values())
        self.switch = VSwitch(self.host, folder, kind)
        self.switch.start()
        self.switch.script(f"""
            ovs-vsctl add-br br-phy -- add-port br-phy eth0
            ip address flush dev eth0
            ip link set br-phy up
            ip address add {LOCAL}/24 dev br-phy
        """)
        self.remotes = {name: Remote(far[name], address) for name, address in REMOTES.items()}
        self.taps: dict[str, Tap] = {name: self.host.tap(name) for name in taps}
        for tap in self.taps:  # the kernel has nothing to say on them
            self.host.run("sysctl", "-qw", f"net.ipv6.conf.{tap}.disable_ipv6=1")
        for node in far.values():
            lab.wait(partial(node.ping, LOCAL, timeout=0.2), what=f"{node.name} to reach h1", timeout=10.0)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Close the sockets; the rest goes with the lab."""
        for remote in self.remotes.values():
            remote.close()

    def vsctl(self, *words: str) -> str:
        """Run `ovs-vsctl`, given as words or as a line."""
        return self.switch.vsctl(*words)

    def clear(self) -> None:
        """Take away all bridges but br-phy."""
        bridges = [name for name in self.vsctl("list-br").split() if name != "br-phy"]
        if bridges:
            words = [word for name in bridges for word in ("--", "--if-exists", "del-br", name)][1:]
            self.vsctl(*words)

    def warm(self, at: str = "t0", *, remotes: Iterable[str] = tuple(REMOTES)) -> None:
        """Wait until a broadcast of a TAP comes to the remotes: then these are resolved, and tunnels are up.

        The userspace datapath drops the frames it has to ask for a neighbour for.
        """
        self.lab.wait(lambda: set(remotes) <= self.send(Sent(at))[0].keys(), what="the remotes to be resolved")

    def send(self, *frames: Sent, expecting: int = 0) -> list[Seen]:
        """Send frames one after the other, and return for each where it came out.

        They may overtake one another: what has to be learned from one before the next is sent takes a call of its own.
        Waits until ``expecting`` have come out, at most LATE seconds, and then until it is quiet.
        """
        self._collect({}, 0.0)
        numbers = [next(self._numbers) for _ in frames]
        seen: dict[int, Seen] = {number: {} for number in numbers}
        for number, frame in zip(numbers, frames, strict=True):
            data = encode(frame, number)
            if frame.at in self.taps:
                self.taps[frame.at].write(data)
            else:
                self.remotes[frame.at].send(data, frame.vni, flags=frame.flags)
            self._collect(seen, 0.0)
        deadline = time.monotonic() + LATE
        while sum(map(len, seen.values())) < expecting and time.monotonic() < deadline:
            self._collect(seen, QUIET)
        while self._collect(seen, QUIET):
            pass
        return [seen[number] for number in numbers]

    def _collect(self, seen: dict[int, Seen], timeout: float) -> int:
        """Read what is there, or comes within ``timeout`` seconds; return how many frames that was."""
        sides: dict[str, Tap | Remote] = {**self.taps, **self.remotes}
        poll = select.poll()
        for side in sides.values():
            poll.register(side.fileno(), select.POLLIN)
        poll.poll(timeout * 1000)
        count = 0
        for name, side in sides.items():
            if isinstance(side, Remote):
                found = [(f"{vni} ", frame) for vni, frame in side.read()]
            else:
                found = [("", frame) for frame in side.read_all()]
            for prefix, frame in found:
                tags, number = decode(frame)
                if number in seen:
                    count += 1
                    way = seen[number]
                    way[name] = f"{way[name]} and {prefix}{tags}" if name in way else f"{prefix}{tags}"
        return count


def encode(frame: Sent, number: int) -> bytes:
    """Return the bytes of a frame that carries its number."""
    addresses = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in (frame.dst, frame.src))
    tags = b"".join(_tag(text) for text in frame.tags.split("/") if text != "-")
    return (addresses + tags + struct.pack("!H", ETHERTYPE) + MARK + struct.pack("!I", number)).ljust(60, b"\0")


def _tag(text: str) -> bytes:
    kind, _, rest = text.rpartition(":")
    vid, _, pcp = rest.partition("p")
    return struct.pack("!HH", TPIDS[kind], int(pcp or 0) << 13 | int(vid))


def decode(frame: bytes) -> tuple[str, int]:
    """Return the tags of a frame and its number; 0 for one that is none of ours."""
    at, tags = 12, []
    (ethertype,) = struct.unpack_from("!H", frame, at)
    while ethertype in NAMES:
        tci, following = struct.unpack_from("!HH", frame, at + 2)
        kind, pcp = NAMES[ethertype], tci >> 13
        tags.append(f"{kind}{':' if kind else ''}{tci & 0xFFF}{f'p{pcp}' if pcp else ''}")
        at, ethertype = at + 4, following
    payload = frame[at + 2 :]
    if ethertype != ETHERTYPE or not payload.startswith(MARK):
        return "", 0
    return "/".join(tags) or "-", struct.unpack_from("!I", payload, len(MARK))[0]


@contextlib.contextmanager
def ports(folder: Path, kind: str, taps: Iterable[str] = ("t0", "t1", "t2", "t3")) -> Iterator[Ports]:
    """Build it, and take it away again."""
    with Lab.unique("ports") as lab:
        built = Ports(lab, folder, kind, taps)
        try:
            yield built
        finally:
            built.close()
