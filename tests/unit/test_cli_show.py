# SPDX-License-Identifier: Apache-2.0
"""`vxnet show` from frozen values: what stands in which block, and what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address

import msgspec
import pytest

from vxnet.cli.output import print_lines
from vxnet.cli.show import lines, only, record
from vxnet.daemon.control import Remote, Running, Waiting
from vxnet.datapath.report import Fault, Overview, PortRow, RemoteRow, SegmentRow, Traffic
from vxnet.errors import HostError

Text = Callable[[Overview], str]

QUIET = Traffic()
BUSY = Traffic(rx_packets=1000, rx_bytes=1268777, tx_packets=3, tx_bytes=3072)
BLUE = SegmentRow(
    name="blue",
    vni=5001,
    group=None,
    ageing=300,
    learning=True,
    maxaddress=16384,
    ports=(PortRow("tap-a", "blue", 1, BUSY), PortRow("tap-b", "blue", 0, QUIET)),
    remotes=(
        RemoteRow(IPv4Address("192.168.146.136"), flood=True, macs=2, age=63.5),
        RemoteRow(IPv4Address("192.168.146.137"), flood=True, macs=0, age=None),
        RemoteRow(IPv4Address("192.168.146.138"), flood=False, macs=1, age=0.2),
    ),
    traffic=Traffic(rx_packets=3, rx_bytes=3072, tx_packets=1000, tx_bytes=1268777),
)
HOST = Overview(
    local=IPv4Address("192.168.146.131"),
    local6=None,
    dstport=4789,
    underlay="eth0",
    mtu=1500,
    segments=(BLUE,),
    bridges=(),
    drops={"bad-source": 0, "unknown-vni": 12, "truncated": 1},
    faults=(Fault("port", "tap-b", "its device is gone"),),
)
DAEMON = Running(4711, (), "")


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Text:
    """The page as a pipe gets it."""

    def printed(view: Overview) -> str:
        print_lines(lines(view, DAEMON))
        return capsys.readouterr().out

    return printed


def test_whole_page(text: Text) -> None:
    """A block for the VTEP, one for each segment, two-space fields, one line a port or remote; zeros are left out."""
    assert (
        text(HOST)
        == """\
vtep: 192.168.146.131
  dstport: 4789
  underlay: eth0, mtu 1500
  mtu for tenants: 1450
  drops: 12 unknown-vni, 1 truncated
  fault: port tap-b: its device is gone

segment: blue
  vni: 5001
  port: tap-a, 1 MAC, 1.21 MiB received, 3 KiB sent
  port: tap-b
  remote: 192.168.146.136, 2 MACs, 1 minute, 3 seconds ago
  remote: 192.168.146.137
  remote: 192.168.146.138, known unicast only, 1 MAC, now
  underlay: 3 KiB received, 1.21 MiB sent
"""
    )


def test_settings_that_are_not_the_default(text: Text) -> None:
    """Group, ageing, learning and maxaddress stand there when they are not the default; with a group, all get BUM."""
    segment = msgspec.structs.replace(
        BLUE,
        group=IPv4Address("239.1.1.1"),
        ageing=60,
        learning=False,
        maxaddress=64,
        storm_control=1000,
        storm_control_total=5000,
        ports=(),
        remotes=BLUE.remotes[2:],
        traffic=QUIET,
    )
    assert text(msgspec.structs.replace(HOST, segments=(segment,))).partition("\n\n")[2] == (
        "segment: blue\n"
        "  vni: 5001\n"
        "  group: 239.1.1.1\n"
        "  ageing: 1 minute\n"
        "  learning: off\n"
        "  maxaddress: 64\n"
        "  storm control: 1000 frames/s from each, 5000 frames/s from all\n"
        "  remote: 192.168.146.138, 1 MAC, now\n"
    )


def test_no_ageing(text: Text) -> None:
    """Ageing 0 means that entries stay for ever."""
    assert "  ageing: never\n" in text(
        msgspec.structs.replace(HOST, segments=(msgspec.structs.replace(BLUE, ageing=0),))
    )


def test_refused_macs(text: Text) -> None:
    """A port that has taught its limit says so, also when all else is zero."""
    port = PortRow("tap-a", "blue", 0, Traffic(unlearned=7))
    segment = msgspec.structs.replace(BLUE, ports=(port,))
    assert "  port: tap-a, 7 source MACs not learned\n" in text(msgspec.structs.replace(HOST, segments=(segment,)))


def test_a_loop(text: Text) -> None:
    """A port that is cut off says so first."""
    port = PortRow("tap-a", "blue", 0, QUIET, loop=True)
    segment = msgspec.structs.replace(BLUE, ports=(port,))
    assert "  port: tap-a, cut off: it is in a loop\n" in text(msgspec.structs.replace(HOST, segments=(segment,)))


def test_a_storm(text: Text) -> None:
    """A port from which more came than storm control lets in says so."""
    port = PortRow("tap-a", "blue", 0, Traffic(suppressed=7))
    segment = msgspec.structs.replace(BLUE, ports=(port,))
    assert "  port: tap-a, 7 frames suppressed as a storm\n" in text(msgspec.structs.replace(HOST, segments=(segment,)))


def test_faults_are_red() -> None:
    """What does not work is red."""
    assert any("\x1b[31mport tap-b: its device is gone\x1b[0m" in line for line in lines(HOST, DAEMON))


def test_ports_that_wait(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that cannot be attached now stands in its segment, with the reason."""
    red = msgspec.structs.replace(BLUE, name="red", ports=(), remotes=(), traffic=QUIET)
    daemon = Running(4711, (Waiting("tap-z", "red", "device tap-z does not exist"),), "")
    print_lines(lines(msgspec.structs.replace(HOST, segments=(BLUE, red)), daemon))
    shown = capsys.readouterr().out
    assert shown.endswith("\nsegment: red\n  vni: 5001\n  port: tap-z, not attached yet: device tap-z does not exist\n")
    assert shown.count("tap-z") == 2


def test_no_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    """That no daemon looks after the host is said; one that does is the rule, and is left out."""
    print_lines(lines(HOST, None))
    assert "  daemon: not running\n" in capsys.readouterr().out
    print_lines(lines(HOST, DAEMON))
    assert "daemon" not in capsys.readouterr().out


def test_trouble_is_a_fault() -> None:
    """What keeps the daemon from its work stands among the faults."""
    trouble = Running(4711, (), "vtep.dstport: UDP port 4789 is in use")
    assert any("\x1b[31mvtep.dstport: UDP port 4789 is in use\x1b[0m" in line for line in lines(HOST, trouble))


UP = Remote(
    address="192.168.146.136",
    by="bfd",
    state="up",
    remote_state="up",
    seconds=63.2,
    dead=False,
    sent=70,
    received=69,
    discarded=0,
    downs=1,
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "192.168.146.136, up for 1 minute, 3 seconds, 2 MACs"),
        ({"state": "down", "remote_state": "down", "dead": True}, "192.168.146.136, dead for 1 minute, 3 seconds, "),
        ({"state": "down", "remote_state": "admin-down"}, "192.168.146.136, its BFD is closed, "),
        ({"state": "down", "remote_state": "down", "received": 0}, "192.168.146.136, no BFD heard, "),
        ({"state": "init", "remote_state": "down"}, "192.168.146.136, BFD init, "),
    ],
)
def test_a_remote_that_is_watched(capsys: pytest.CaptureFixture[str], changed: dict[str, object], words: str) -> None:
    """What BFD says of a remote stands behind its address; of the others nothing does."""
    print_lines(lines(HOST, Running(4711, (), "", (msgspec.structs.replace(UP, **changed),))))
    page = capsys.readouterr().out
    assert f"  remote: {words}" in page
    assert "  remote: 192.168.146.137\n" in page


def test_a_remote_that_is_left_out(text: Text) -> None:
    """The kernel tells whom a segment leaves out, whether a daemon runs or not."""
    dead = RemoteRow(IPv4Address("192.168.146.137"), flood=False, macs=0, age=None, dead=True)
    blue = msgspec.structs.replace(BLUE, remotes=(dead,))
    assert "  remote: 192.168.146.137, left out of flooding\n" in text(msgspec.structs.replace(HOST, segments=(blue,)))


def test_record() -> None:
    """JSON has everything, and null where no daemon runs."""
    waiting = (Waiting("tap-z", "red", "device tap-z does not exist"),)
    shown = json.loads(msgspec.json.encode(record(HOST, Running(4711, waiting, "")), enc_hook=str))
    assert shown["faults"] == [{"kind": "port", "name": "tap-b", "fault": "its device is gone"}]
    assert shown["daemon"] == {
        "pid": 4711,
        "waiting": [{"device": "tap-z", "segment": "red", "reason": "device tap-z does not exist"}],
        "trouble": "",
        "remotes": [],
    }
    assert record(HOST, None)["daemon"] is None


def test_only_one_segment() -> None:
    """With a name, the other segments are left out."""
    both = msgspec.structs.replace(HOST, segments=(BLUE, msgspec.structs.replace(BLUE, name="red", vni=5002)))
    assert [segment.name for segment in only(both, "red").segments] == ["red"]


def test_segment_that_is_not_there() -> None:
    """An unknown segment is an error that lists those there are."""
    with pytest.raises(HostError, match="segment red does not exist on this host; it has: blue"):
        only(HOST, "red")
