# SPDX-License-Identifier: Apache-2.0
"""The reference switch: questions for addresses whose MAC is known are answered here (rule 9)."""

from __future__ import annotations

import pytest

from tests.support.questions import ANSWERED, ASKER, FLOODED, MACS, OWNER, UNICAST, arp
from tests.unit.frames import LOCAL, from_remote
from vxnet.drops import drop_reason
from vxnet.model import HostState, Neighbour, Port, Segment, Source, Vtep
from vxnet.packet.ethernet import VlanTag, put_tag
from vxnet.switch.outcome import Outcome, ToPort, Traffic
from vxnet.switch.switch import Switch

SEGMENTS = (Segment(name="blue", vni=10), Segment(name="red", vni=20))


def switch(segment: str = "blue", sources: tuple[Source, ...] | None = None) -> Switch:
    """Return a switch with two ports in a segment, whose neighbours are blue's."""
    ports = (Port(device="tap0", segment=segment, sources=sources), Port(device="tap1", segment=segment))
    neighbours = tuple(Neighbour(segment="blue", address=address, mac=mac) for address, mac in MACS.items())
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=SEGMENTS, ports=ports, neighbours=neighbours))


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(name: str) -> None:
    """The answer goes out where the question came from, and nobody else hears of it."""
    question, answer = ANSWERED[name]
    asked = switch()
    assert asked.from_port("tap0", question, 0) == Outcome((ToPort("tap0", answer),))
    assert [(row.mac, row.place) for row in asked.fdb()] == [(ASKER, "tap0")], "the asker is learned as ever"
    assert asked.port_traffic == {"tap0": Traffic(1, len(question), 1, len(answer)), "tap1": Traffic()}


@pytest.mark.parametrize("name", FLOODED)
def test_flooded_as_ever(name: str) -> None:
    """Announcements, probes, what is odd, and what nobody here knows goes to all."""
    assert switch().from_port("tap0", FLOODED[name], 0).copies == (ToPort("tap1", FLOODED[name]),)


@pytest.mark.parametrize("name", UNICAST)
def test_a_question_to_one_reaches_that_one(name: str) -> None:
    """Who asks the owner alone wants to know whether it is there."""
    assert switch().from_port("tap0", UNICAST[name], 0).copies == (ToPort("tap1", UNICAST[name]),)


@pytest.mark.parametrize("name", ANSWERED)
def test_neighbours_are_their_segments(name: str) -> None:
    """Another segment's addresses are other machines'."""
    question, _ = ANSWERED[name]
    assert switch("red").from_port("tap0", question, 0).copies == (ToPort("tap1", question),)


@pytest.mark.parametrize("name", ANSWERED)
def test_the_underlay_is_not_answered(name: str) -> None:
    """A question from another host has come past its own switch: the machine itself is to answer."""
    question, _ = ANSWERED[name]
    copies = switch().from_underlay(from_remote(question), 0).copies
    assert copies == (ToPort("tap0", question), ToPort("tap1", question))


@pytest.mark.parametrize("name", ANSWERED)
def test_a_tagged_question_is_answered_without_tag(name: str) -> None:
    """A segment takes a tag off and forgets it; so the answer has none."""
    question, answer = ANSWERED[name]
    assert switch().from_port("tap0", put_tag(question, VlanTag(vid=7)), 0) == Outcome((ToPort("tap0", answer),))


def test_security_comes_before_answers() -> None:
    """Who asks with an address that is not its own is not answered."""
    asked = switch(sources=(Source(ASKER, "10.0.0.1/32"), Source(OWNER)))
    assert asked.from_port("tap0", arp(), 0).copies
    assert asked.from_port("tap0", arp(psrc="10.0.0.7"), 0) == Outcome((), drop_reason("SPOOFED"))
