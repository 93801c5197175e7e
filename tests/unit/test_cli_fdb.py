# SPDX-License-Identifier: Apache-2.0
"""`vxnet fdb` from frozen values: the words of `bridge fdb show`, and JSON rows with fixed keys."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from msgspec.structs import replace

from vxnet.cli.fdb import line, record
from vxnet.datapath.entries import FdbRow

MAC = "02:00:00:00:00:02"
AT_PORT = FdbRow("blue", 5001, MAC, "learned", port="tap-a", age=3.9)
BEHIND_REMOTE = FdbRow("blue", 5001, MAC, "learned", remote=IPv4Address("192.168.146.136"), age=0.0)
STATIC_PORT = FdbRow("blue", 5001, MAC, "static", port="tap-a")
STATIC_REMOTE = FdbRow("blue", 5001, MAC, "static", remote=IPv4Address("192.168.146.136"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (AT_PORT, "02:00:00:00:00:02 dev tap-a vni 5001 segment blue age 3 learned"),
        (replace(AT_PORT, duplicate=True), "02:00:00:00:00:02 dev tap-a vni 5001 segment blue age 3 learned duplicate"),
        (BEHIND_REMOTE, "02:00:00:00:00:02 dst 192.168.146.136 vni 5001 segment blue age 0 learned"),
        (STATIC_PORT, "02:00:00:00:00:02 dev tap-a vni 5001 segment blue static"),
        (STATIC_REMOTE, "02:00:00:00:00:02 dst 192.168.146.136 vni 5001 segment blue static"),
    ],
)
def test_line(row: FdbRow, expected: str) -> None:
    """The MAC is first, then where it is, the state last; a static entry has no age."""
    assert line(row) == expected


@pytest.mark.parametrize(
    ("row", "place"), [(AT_PORT, "port"), (STATIC_PORT, "port"), (BEHIND_REMOTE, "remote"), (STATIC_REMOTE, "remote")]
)
def test_record(row: FdbRow, place: str) -> None:
    """A row has port or remote, and exactly these keys whatever their values."""
    assert list(record(row)) == ["segment", "vni", "mac", place, "state", "age", "duplicate"]
    assert record(row)["age"] == row.age
