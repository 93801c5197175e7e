# SPDX-License-Identifier: Apache-2.0
"""Captures that tshark reads: what it sees in them is what was written, and in VXLAN packets what was meant."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from tests.unit.frames import GROUP, LOCAL, MAC_A, MAC_B, REMOTE, arp_request, from_remote, udp_frame
from vxnet.packet.flow import source_port
from vxnet.packet.pcapng import PcapngWriter

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_700_000_000_123_456_789

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None and "CI" not in os.environ,
    reason="tshark is not installed (in CI this is a failure)",
)


def tshark(capture: Path, *fields: str) -> list[list[str]]:
    """Return these fields of every packet as tshark reads them; of a field that occurs twice, both, by comma."""
    asked = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", "separator=|", *asked]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split("|") for line in done.stdout.splitlines()]


@needs_tshark
def test_tshark_reads_interfaces_times_and_comments(tmp_path: Path) -> None:
    """Interface names, nanoseconds, comments and cut-off lengths arrive."""
    path = tmp_path / "a.pcapng"
    with path.open("wb") as file:
        writer = PcapngWriter(file)
        eth0, tap0 = writer.add_interface("eth0"), writer.add_interface("tap0")
        writer.write(tap0, udp_frame(), time_ns=NOON, comments=["dropped: unknown-vni", "second"])
        writer.write(eth0, udp_frame()[:20], time_ns=NOON + 1, original_length=len(udp_frame()))
    rows = tshark(path, "frame.interface_name", "frame.time_epoch", "frame.comment", "frame.len", "frame.cap_len")
    length = str(len(udp_frame()))
    assert rows == [
        ["tap0", "1700000000.123456789", "dropped: unknown-vni,second", length, length],
        ["eth0", "1700000000.123456790", "", length, "20"],
    ]


@needs_tshark
def test_tshark_reads_the_outer_packet(tmp_path: Path) -> None:
    """Outer addresses and ports, DF, checksums, flags, VNI and inner addresses are, to tshark, what we meant."""
    path = tmp_path / "vxlan.pcapng"
    ask = arp_request(MAC_A, "10.0.0.1", "10.0.0.2")
    with path.open("wb") as file:
        writer = PcapngWriter(file)
        eth0 = writer.add_interface("eth0")
        writer.write(eth0, from_remote(udp_frame(), vni=5001), time_ns=NOON)
        writer.write(eth0, from_remote(ask, vni=16777215, dst=GROUP), time_ns=NOON)
    unicast, flood = tshark(
        path,
        *("ip.src", "ip.dst", "ip.id", "ip.ttl", "ip.dsfield", "ip.flags.df", "ip.len"),
        *("udp.srcport", "udp.dstport", "udp.checksum", "vxlan.flags", "vxlan.vni", "eth.src", "eth.dst"),
        *("arp.dst.proto_ipv4", "_ws.expert.severity"),
    )
    assert unicast == [
        f"{REMOTE},10.0.0.1",
        f"{LOCAL},10.0.0.2",
        "0x0000,0x0000",
        "64,64",
        "0x00,0x00",
        "1,0",
        f"{len(udp_frame()) + 36},{len(udp_frame()) - 14}",
        f"{source_port(udp_frame())},1000",
        "4789,2000",
        unicast[9],
        "0x0800",
        "5001",
        f"02:aa:00:00:00:02,{MAC_A}",
        f"02:aa:00:00:00:01,{MAC_B}",
        "",
        "",
    ]
    assert unicast[9].startswith("0x0000,")
    assert flood[:2] == [str(REMOTE), str(GROUP)]
    assert flood[11] == "16777215"
    assert flood[13] == "02:aa:00:00:00:01,ff:ff:ff:ff:ff:ff"
    assert flood[14] == "10.0.0.2"


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 61])
def test_blocks_are_whole_words(length: int) -> None:
    """Every block is a multiple of 4 bytes and says its length at both ends."""
    file = BytesIO()
    writer = PcapngWriter(file)
    writer.write(writer.add_interface("eth0"), bytes(length), time_ns=0, comments=["x" * length])
    data, kinds = file.getvalue(), []
    while data:
        kind, size = struct.unpack_from("<II", data)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, size - 4) == (size,)
        kinds.append(kind)
        data = data[size:]
    assert kinds == [0x0A0D0D0A, 1, 6]


def test_unknown_interface_is_refused() -> None:
    """A packet belongs to an interface that was described before."""
    writer = PcapngWriter(BytesIO())
    with pytest.raises(ValueError, match="interface 0"):
        writer.write(0, b"", time_ns=0)
