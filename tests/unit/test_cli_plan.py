# SPDX-License-Identifier: Apache-2.0
"""`vxnet plan` from frozen values: a line for each change, with what it is and why."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import msgspec
import pytest

from vxnet.cli.output import print_lines
from vxnet.cli.plan import lines
from vxnet.model import DOWN, FdbEntry, HostState, Port, Segment, Vtep
from vxnet.plan import Actual, plan

Text = Callable[[HostState, HostState], list[str]]

HOST = HostState(
    vtep=Vtep(local=IPv4Address("192.168.146.131"), dstport=8472),
    segments=(
        Segment(name="blue", vni=5001, remotes=(IPv4Address("192.168.146.136"), IPv4Address("192.168.146.137"))),
        Segment(name="red", vni=5002, group=IPv4Address("239.1.1.1"), learning=False),
    ),
    ports=(Port(device="tap-a", segment="blue"),),
    fdb=(FdbEntry(segment="red", mac="02:00:00:00:00:01", remote=IPv4Address("192.168.146.136")),),
)


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Text:
    """The lines of a plan as a pipe gets them."""

    def printed(desired: HostState, now: HostState) -> list[str]:
        print_lines(lines(plan(desired, Actual(now))))
        return capsys.readouterr().out.splitlines()

    return printed


def test_everything_new(text: Text) -> None:
    """What is added is described by the settings that are not the default, in the host file's words."""
    assert text(HOST, DOWN) == [
        "+ vtep 192.168.146.131  dstport 8472  (not on this host yet)",
        "+ segment blue  vni 5001 remotes 192.168.146.136 192.168.146.137  (not on this host yet)",
        "+ segment red  vni 5002 group 239.1.1.1 learning off  (not on this host yet)",
        "+ port tap-a  segment blue  (not on this host yet)",
        "+ fdb 02:00:00:00:00:01  segment red remote 192.168.146.136  (not on this host yet)",
        "5 to add, 0 to change, 0 to remove",
    ]


def test_change_and_removal(text: Text) -> None:
    """A change tells what differs and nothing else; a removal tells what goes."""
    segments = (msgspec.structs.replace(HOST.segments[0], ageing=60), HOST.segments[1])
    assert text(msgspec.structs.replace(HOST, segments=segments, ports=()), HOST) == [
        "- port tap-a  segment blue  (no longer in the desired state)",
        "~ segment blue  (ageing: 300 -> 60)",
        "0 to add, 1 to change, 1 to remove",
    ]


def test_nothing_to_change(text: Text) -> None:
    """A host that is as its file says has nothing to change, in words."""
    assert text(HOST, HOST) == ["nothing to change"]


@pytest.mark.parametrize(
    ("desired", "now", "start"), [(HOST, DOWN, "\x1b[32m+ "), (DOWN, HOST, "\x1b[31m- ")], ids=["add", "remove"]
)
def test_colours(desired: HostState, now: HostState, start: str) -> None:
    """What comes is green, what goes is red."""
    assert all(line.startswith(start) for line in list(lines(plan(desired, Actual(now))))[:-1])
