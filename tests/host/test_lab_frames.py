# SPDX-License-Identifier: Apache-2.0
"""TAPs and captures of a lab: every frame, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.labs import two_hosts
from vxnet.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.lab import Lab

FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5") + b"from a test".ljust(46, b"\0")
"""A broadcast of a local experimental EtherType (IEEE 802, clause 9.2.4)."""


def test_tap_carries_frames_both_ways(lab: Lab) -> None:
    """What is written to a TAP arrives in its host, and what the host sends there is read, byte for byte, in order."""
    h1, _ = two_hosts(lab)
    x, y = lab.tap(h1, "x"), lab.tap(h1, "y")
    h1.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
    for command in ("x master br0", "y master br0", "br0 up"):
        h1.ip(f"link set {command}")
    h1.wait(lambda: sum(link["operstate"] == "UP" for link in json.loads(h1.ip("-j link show type bridge"))))
    frames = [FRAME + bytes([n]) for n in range(100)]
    for frame in frames:
        x.write(frame)
    assert [y.read() for _ in frames] == frames
    y.write(FRAME)
    assert x.read() == FRAME
    assert y.read(timeout=0) is None


def test_tap_with_virtio_header(lab: Lab) -> None:
    """With the virtio header on, ten bytes stand before each frame in both directions."""
    h1, _ = two_hosts(lab)
    tap = lab.tap(h1, "x", vnet_header=True, mtu=1400)
    h1.ip("address add 10.0.0.9/24 dev x")
    assert json.loads(h1.ip("-j link show x"))[0]["mtu"] == 1400
    asks = bytes.fromhex("0001080006040001 020000000001 0a000001 000000000000 0a000009")
    tap.write(bytes(10) + bytes.fromhex("ffffffffffff 020000000001 0806") + asks)
    reply = tap.read()
    assert reply is not None
    assert reply[10:16] + reply[22:24] == bytes.fromhex("020000000001 0806")


def test_tap_twice(lab: Lab) -> None:
    """A TAP name that is taken is an error that names it, and a closed TAP is gone."""
    h1, _ = two_hosts(lab)
    with lab.tap(h1, "x"), pytest.raises(LabError, match="'x'"):
        lab.tap(h1, "x")
    assert "x" not in {link["ifname"] for link in json.loads(h1.ip("-j link"))}


@pytest.mark.parametrize("ending", [".pcapng", ".pcap"])
def test_capture_misses_nothing(lab: Lab, tmp_path: Path, ending: str) -> None:
    """Everything sent between start and stop is in the file: the first packet, the last, and all between."""
    h1, h2 = two_hosts(lab)
    assert h1.ping(h2)
    for count in (1, 500):
        with lab.capture(h2, "eth0", tmp_path / f"{count}{ending}", matching="icmp") as capture:
            assert h1.ping(h2, count=count)
        assert capture.dropped == 0
        assert capture.fields("icmp.type") == [("8",), ("0",)] * count


def test_capture_decodes(lab: Lab, tmp_path: Path) -> None:
    """Fields come as tshark reads them, those that appear twice with the outer value first."""
    h1, h2 = two_hosts(lab)
    for host, other in ((h1, "136"), (h2, "131")):
        host.ip(f"link add vx type vxlan id 5001 remote 192.168.146.{other} dstport 14789 noudpcsum")
        host.ip(f"address add 10.0.0.{other}/24 dev vx")
        host.ip("link set vx up")
    with lab.capture(h1, "eth0", tmp_path / "vxlan.pcapng") as capture:
        assert h1.ping("10.0.0.131")
    rows = capture.fields("ip.src", "udp.dstport", "vxlan.vni", matching="icmp.type == 8", dstport=14789)
    assert rows == [("192.168.146.131,10.0.0.136", "14789", "5001")]


def test_capture_of_nothing(lab: Lab, tmp_path: Path) -> None:
    """A device that is not there, a bad filter and a strange ending are errors; an empty capture is a file."""
    h1, _ = two_hosts(lab)
    with pytest.raises(LabError, match="nodev"):
        lab.capture(h1, "nodev", tmp_path / "x.pcapng")
    with pytest.raises(LabError, match="syntax error"):
        lab.capture(h1, "eth0", tmp_path / "x.pcapng", matching="and and")
    with pytest.raises(LabError, match=r"\.pcapng or \.pcap"):
        lab.capture(h1, "eth0", tmp_path / "x.txt")
    with lab.capture(h1, "eth0", tmp_path / "empty.pcapng", matching="tcp port 1") as capture:
        pass
    assert capture.fields("frame.number") == []
