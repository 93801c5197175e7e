# SPDX-License-Identifier: Apache-2.0
"""What a segment may choose of the outer header, on the wire as tshark reads it, and inner VLAN tags.

a --tap-a-- [ h1 ] eth0 ------------- eth0 [ h2 ] --tap-b-- b
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.labs import H1, H2
from tests.support.nets import Net, net_in
from vxnet.lab import Lab
from vxnet.model import Segment
from vxnet.packet.ethernet import Ethernet, VlanTag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

ETH_P_ALL = 3


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build the lab, the switches down."""
    with net_in(tmp_path_factory.mktemp("header"), "vxhead") as net:
        yield net


@pytest.fixture
def net(built: Net) -> Net:
    """Return the lab, the VMs knowing nobody."""
    for vm in (built.a, built.b):
        vm.ip("neighbour flush dev eth0")
    return built


def bring(net: Net, **options: Any) -> None:
    """Bring both hosts up with these options of the segment."""
    net.h1.bring(Segment(name="blue", vni=5001, remotes=(H2,), **options), ports={"tap-a": "blue"})
    net.h2.bring(Segment(name="blue", vni=5001, remotes=(H1,), **options), ports={"tap-b": "blue"})


@pytest.mark.parametrize(
    ("options", "arp", "echo"),
    [
        ({}, ("64", "0x00", "1", "0x0000"), ("64", "0x00", "1", "0x0000")),
        ({"ttl": 3}, ("3", "0x00", "1", "0x0000"), ("3", "0x00", "1", "0x0000")),
        ({"tos": 0xB8}, ("64", "0xb8", "1", "0x0000"), ("64", "0xb8", "1", "0x0000")),
        ({"df": False}, ("64", "0x00", "0", "0x0000"), ("64", "0x00", "0", "0x0000")),
        ({"ttl": 0}, ("64", "0x00", "1", "0x0000"), ("9", "0x00", "1", "0x0000")),
        ({"tos": None}, ("64", "0x00", "1", "0x0000"), ("64", "0x28", "1", "0x0000")),
        ({"csum": True}, ("64", "0x00", "1", "right"), ("64", "0x00", "1", "right")),
    ],
    ids=["plain", "ttl", "tos", "df-unset", "ttl-inherit", "tos-inherit", "udpcsum"],
)
def test_on_the_wire(
    net: Net, tmp_path: Path, options: dict[str, Any], arp: tuple[str, ...], echo: tuple[str, ...]
) -> None:
    """TTL, TOS, DF and UDP checksum are as asked, of what is flooded, what opens a flow, and what is cached."""
    bring(net, **options)
    with net.h1.node.capture("eth0", tmp_path / "header.pcapng", matching=f"udp port 4789 and src {H1}") as capture:
        done = net.a.run(f"ping -c 3 -i 0.01 -W 3 -t 9 -Q 0x28 {net.b.address}")
    assert " 0% packet loss" in done.stdout
    fields = ("arp.opcode", "ip.ttl", "ip.dsfield", "ip.flags.df", "udp.checksum")
    seen = capture.fields(*fields)
    assert len(seen) >= 4
    for opcode, *header in seen:
        ttl, tos, df, checksum = (value.split(",")[0] for value in header)
        expected = arp if opcode else echo
        assert (ttl, tos, {"True": "1", "False": "0"}.get(df, df)) == expected[:3]
        assert (checksum != "0x0000") == (expected[3] == "right")


def test_inner_tags_are_kept_if_asked(net: Net) -> None:
    """With inner_vlan tags arrive as they were sent, and each VLAN has its own stations; without, none arrives."""
    frames = {
        vid: Ethernet(
            dst=net.b.mac, src=f"02:00:00:00:77:{vid:02x}", tags=tags, ethertype=0x88B5, payload=bytes(46)
        ).encode()
        for vid, tags in ((0, ()), (7, (VlanTag(vid=7, pcp=3),)), (9, (VlanTag(vid=9),)))
    }
    bring(net, inner_vlan=True)
    assert net.a.ping(net.b)
    with listening(net.b) as wire:
        for frame in frames.values():
            send(net.a, frame)
        got = {taken(wire) for _ in frames}
    assert got == set(frames.values())
    vlans = {row.mac: row.vlan for row in net.h2.fdb("blue").values()}
    assert [vlans[f"02:00:00:00:77:{vid:02x}"] for vid in frames] == list(frames)
    bring(net)
    before = net.h1.overview().drops["vlan-tag"]
    twice = Ethernet(
        dst=net.b.mac, src=net.a.mac, tags=(VlanTag(vid=7), VlanTag(vid=8)), ethertype=0x88B5, payload=bytes(46)
    )
    send(net.a, twice.encode())
    Lab.wait(lambda: net.h1.overview().drops["vlan-tag"] == before + 1, what="it to be dropped")


def listening(vm: Node) -> socket.socket:
    """Return a socket that sees every frame that comes to a VM, with its tag."""
    with vm.enter():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind(("eth0", ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.settimeout(5)
    return wire


SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 0x10


def taken(wire: socket.socket) -> bytes:
    """Return the next frame of ours, the tag that the kernel keeps beside it put back."""
    while True:
        frame, auxiliary, *_ = wire.recvmsg(2048, 256)
        data = auxiliary[0][2]
        if int.from_bytes(data[:4], "little") & TP_STATUS_VLAN_VALID:
            tci, tpid = (int.from_bytes(data[at : at + 2], "little") for at in (16, 18))
            frame = frame[:12] + tpid.to_bytes(2, "big") + tci.to_bytes(2, "big") + frame[12:]
        if b"\x88\xb5" in frame[12:18]:
            return frame


def send(vm: Node, frame: bytes) -> None:
    """Let a VM send a frame as it is."""
    with vm.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        wire.send(frame)
