# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.ovs`: many bridges with one tunnel each, from `ovs-vsctl` to the last of them forwarding.

    ovs-vsctl, one command        N bridges, each with a tunnel of its own key      told: the command has returned
    ip, one batch                 their devices go up
    a broadcast on each device    h2 looks for its VNI, again and again             forwarding: all VNIs were seen
    ovs-vsctl, one command        all bridges go                                    removed

vxnet and the real ovs-vswitchd take turns, each time on new hosts. Writes build/bench-ovs.json.
"""

from __future__ import annotations

import socket
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from bench import machine
from bench.bpf import BUILD
from bench.machine import Machine
from vxnet.errors import VxnetError
from vxnet.lab import Lab, wait_until
from vxnet.lab.vswitch import KINDS, VSwitch

if TYPE_CHECKING:
    from vxnet.lab import Node

LOCAL, REMOTE = "192.168.146.131", "192.168.146.136"
VXLAN_PORT = 4789
PATIENCE = 300.0
"""Seconds after which bridges that do not forward are given up."""

PACKET_HEADER = struct.Struct("!II")
FRAME = b"\xff" * 6 + bytes.fromhex("020000000001") + struct.pack("!H", 0x88B5) + bytes(46)
"""A broadcast that nobody takes an interest in (Ethertype: IEEE 802 local experimental 1)."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the beginning until `ovs-vsctl` returned and until all bridges forwarded; seconds to remove them."""

    told: float
    forwarding: float
    removed: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run: ``kinds`` are medians over ``rounds``."""

    bridges: int
    kinds: dict[str, Figures]
    rounds: dict[str, tuple[Figures, ...]]
    machine: Machine


def main(
    bridges: Annotated[int, typer.Option(min=1, max=4000, help="How many.")] = 500,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    switches: Annotated[str, typer.Option(metavar="NAME,...", help="Which switches to measure.")] = ",".join(KINDS),
) -> None:
    """From `ovs-vsctl` to all bridges forwarding: vxnet beside the real ovs-vswitchd, on this machine (root)."""
    kinds = [name.strip() for name in switches.split(",")]
    for unknown in sorted(set(kinds) - set(KINDS)):
        raise typer.BadParameter(f"there is no switch {unknown!r}; there are: {', '.join(KINDS)}")
    console = Console(highlight=False)
    about = machine.this()
    found: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    try:
        for number in range(rounds):
            for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
                figures = measured(kind, bridges)
                found[kind].append(figures)
                console.print(f"round {number + 1}  {_line(kind, figures)}")
    except VxnetError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    report = Report(
        bridges=bridges,
        kinds={kind: medians(figures) for kind, figures in found.items()},
        rounds={kind: tuple(figures) for kind, figures in found.items()},
        machine=about,
    )
    console.print(f"{bridges} bridges with a tunnel each, medians of {rounds}")
    for kind, figures in report.kinds.items():
        console.print(_line(kind, figures))
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench-ovs.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    console.print("build/bench-ovs.json")


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure over ``rounds``, of which there is at least one."""
    fields = Figures.__struct_fields__
    return Figures(**{field: statistics.median(getattr(figures, field) for figures in rounds) for field in fields})


def measured(kind: str, count: int) -> Figures:
    """Measure once, on hosts of its own. Raises LabError if not all bridges forward."""
    with tempfile.TemporaryDirectory(prefix="bench-ovs-") as folder, Lab.unique("bench-ovs") as lab:
        host, far = lab.host("h1", f"{LOCAL}/24"), lab.host("h2", f"{REMOTE}/24")
        lab.link(host, far)
        switch = VSwitch(host, Path(folder, "h1"), kind)
        switch.start()
        switch.script(f"""
            ovs-vsctl add-br br-phy -- add-port br-phy eth0
            ip address flush dev eth0
            ip link set br-phy up
            ip address add {LOCAL}/24 dev br-phy
        """)
        wait_until(lambda: far.ping(LOCAL, timeout=0.2), timeout=10.0, what="h1 on its bridge")
        names = {number: f"n{number}" for number in range(1, count + 1)}
        with _receiver(far) as receiver, _sender(host) as sender:
            began = time.monotonic()
            switch.run("ovs-vsctl", f"--timeout={PATIENCE:g}", *_added(names))
            told = time.monotonic() - began
            host.run("ip", "-batch", "-", input="".join(f"link set {name} up\n" for name in names.values()))
            _until_all_forward(names, sender, receiver)
            forwarding = time.monotonic() - began
        began = time.monotonic()
        gone = [word for name in names.values() for word in ("--", "del-br", name)][1:]
        switch.run("ovs-vsctl", f"--timeout={PATIENCE:g}", *gone)
        return Figures(told=told, forwarding=forwarding, removed=time.monotonic() - began)


def _added(names: dict[int, str]) -> list[str]:
    """The words of the one command that makes all bridges."""
    words = []
    for number, name in names.items():
        words += ["--", "add-br", name, "--", "add-port", name, f"x{name}", "--", "set", "interface", f"x{name}"]
        words += ["type=vxlan", f"options:remote_ip={REMOTE}", f"options:key={number}"]
    return words[1:]


def _until_all_forward(names: dict[int, str], sender: socket.socket, receiver: socket.socket) -> None:
    """Send a broadcast into each bridge of which nothing was seen yet, until there is none."""
    missing = set(names)

    def all_seen() -> bool:
        for number in missing:
            sender.sendto(FRAME, (names[number], 0))
        try:
            while True:
                _, word = PACKET_HEADER.unpack_from(receiver.recv(2048))
                missing.discard(word >> 8)
        except BlockingIOError:
            return not missing

    wait_until(all_seen, timeout=PATIENCE, what=f"all of {len(names)} bridges to forward")


def _receiver(node: Node) -> socket.socket:
    with node.enter():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    receiver.bind((REMOTE, VXLAN_PORT))
    receiver.settimeout(0)
    return receiver


def _sender(node: Node) -> socket.socket:
    with node.enter():
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


def _line(kind: str, figures: Figures) -> str:
    fields = Figures.__struct_fields__
    return f"{kind:6}" + "".join(f"  {field} {getattr(figures, field):7.2f} s" for field in fields)


if __name__ == "__main__":
    typer.run(main)
