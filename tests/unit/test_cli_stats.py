# SPDX-License-Identifier: Apache-2.0
"""`vxnet stats` from frozen values: the table, the drops in words, and the JSON."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vxnet.cli.output import print_lines
from vxnet.cli.stats import drops, record, table
from vxnet.datapath.report import Overview, PortRow, SegmentRow, Traffic
from vxnet.drops import DROP_REASONS, drop_reason

if TYPE_CHECKING:
    import pytest

ALL_ZERO = {reason.name: 0 for reason in DROP_REASONS}


def segment(name: str, vni: int, ports: tuple[PortRow, ...], traffic: Traffic) -> SegmentRow:
    """A segment without remotes."""
    return SegmentRow(name, vni, None, 300, True, 16384, ports, (), traffic)  # noqa: FBT003


HOST = Overview(
    local=IPv4Address("192.168.146.131"),
    local6=None,
    dstport=4789,
    underlay="eth0",
    mtu=1500,
    segments=(
        segment("blue", 5001, (PortRow("tap-a", "blue", 1, Traffic(12, 1176, 9, 882)),), Traffic(9, 882, 12, 1176)),
        segment("red", 5002, (PortRow("tap-b", "red", 1, Traffic(unlearned=4)),), Traffic()),
    ),
    bridges=(),
    drops=ALL_ZERO | {"unknown-vni": 3, "bad-source": 1},
    faults=(),
)


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Each port has a row, each segment one for the underlay; MACs that were refused are said below."""
    print_lines(table(HOST))
    assert capsys.readouterr().out.splitlines() == [
        "SEGMENT  PORT        RX PACKETS  RX BYTES  TX PACKETS  TX BYTES",
        "blue     tap-a               12      1176           9       882",
        "blue     (underlay)           9       882          12      1176",
        "red      tap-b                0         0           0         0",
        "red      (underlay)           0         0           0         0",
        "tap-b: 4 source MACs not learned",
    ]


def test_drops_in_words() -> None:
    """Reasons that did not occur are left out; the others come in the list's order with what happened."""
    assert list(drops(HOST.drops)) == [
        "DROPS  REASON       WHAT HAPPENED",
        f"    1  bad-source   {drop_reason('BAD_SOURCE').text}",
        f"    3  unknown-vni  {drop_reason('UNKNOWN_VNI').text}",
    ]


def test_no_drops() -> None:
    """No drop at all is said in words."""
    assert list(drops(ALL_ZERO)) == ["no drops"]


def test_record() -> None:
    """JSON has a row for each port and segment, and every reason, so that a script need not guess names."""
    shown = record(HOST)
    assert shown["ports"] == [
        {"device": "tap-a", "segment": "blue"}
        | {"rx_packets": 12, "rx_bytes": 1176, "tx_packets": 9, "tx_bytes": 882, "unlearned": 0, "suppressed": 0},
        {"device": "tap-b", "segment": "red"}
        | {"rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0, "unlearned": 4, "suppressed": 0},
    ]
    assert shown["segments"] == [
        {"name": "blue", "vni": 5001}
        | {"rx_packets": 9, "rx_bytes": 882, "tx_packets": 12, "tx_bytes": 1176, "unlearned": 0, "suppressed": 0},
        {"name": "red", "vni": 5002}
        | {"rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0, "unlearned": 0, "suppressed": 0},
    ]
    assert shown["drops"] == ALL_ZERO | {"unknown-vni": 3, "bad-source": 1}
