# SPDX-License-Identifier: Apache-2.0
"""The reference switch: what may leave a secured port (rule 8)."""

from __future__ import annotations

import pytest

from tests.support.claims import ALLOWED, OWN, REFUSED, SOURCES, WIDE
from tests.unit.frames import LOCAL, frame
from vxnet.drops import drop_reason
from vxnet.model import HostState, Port, Segment, Source, Vtep
from vxnet.packet.ethernet import VlanTag, put_tag
from vxnet.packet.mac import BROADCAST, ZERO
from vxnet.switch.outcome import Outcome
from vxnet.switch.switch import Switch

SPOOFED = Outcome((), drop_reason("SPOOFED"))


def secured(sources: tuple[Source, ...] | None = SOURCES) -> Switch:
    """Return a switch with a secured port and one that is not."""
    ports = (Port(device="tap0", segment="blue", sources=sources), Port(device="tap1", segment="blue"))
    return Switch(HostState(vtep=Vtep(local=LOCAL), segments=(Segment(name="blue", vni=10),), ports=ports))


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name: str) -> None:
    """What the sources name leaves as it came, and so does what a machine must say before it has an address."""
    outcome = secured().from_port("tap0", ALLOWED[name], 0)
    assert outcome.drop is None
    assert [copy.frame for copy in outcome.copies] == [ALLOWED[name]]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """All else is dropped, and nothing is learned from it."""
    switch = secured()
    assert switch.from_port("tap0", REFUSED[name], 0) == SPOOFED
    assert switch.fdb() == ()


@pytest.mark.parametrize("name", [*ALLOWED, *REFUSED])
def test_any_other_port_sends_what_it_likes(name: str) -> None:
    """A port without sources, in the same segment and beside a secured one, is not asked."""
    sent = (ALLOWED | REFUSED)[name]
    assert [copy.frame for copy in secured().from_port("tap1", sent, 0).copies] == [sent]
    assert [copy.frame for copy in secured(None).from_port("tap0", sent, 0).copies] == [sent]


@pytest.mark.parametrize("name", ALLOWED)
def test_no_sources_let_nothing_out(name: str) -> None:
    """A port that is secured and has no sources is silent."""
    assert secured(()).from_port("tap0", ALLOWED[name], 0) == SPOOFED


@pytest.mark.parametrize("name", [*ALLOWED, *REFUSED])
def test_a_tag_hides_nothing(name: str) -> None:
    """The check comes after the tag is taken off: it is the frame behind it that counts."""
    sent = put_tag((ALLOWED | REFUSED)[name], VlanTag(vid=7))
    assert (secured().from_port("tap0", sent, 0) == SPOOFED) == (name in REFUSED)


def test_what_no_port_may_send_comes_first() -> None:
    """A MAC that can be nobody's is a bad source, and a tag behind a tag is that, on a secured port as well."""
    assert secured().from_port("tap0", frame(ZERO, BROADCAST), 0).drop == drop_reason("BAD_SOURCE")
    tagged = frame(OWN, BROADCAST, tags=(VlanTag(vid=1), VlanTag(vid=2)))
    assert secured().from_port("tap0", tagged, 0).drop == drop_reason("VLAN_TAG")


def test_one_mac_may_have_several_prefixes() -> None:
    """Each of a MAC's sources adds to what it may say."""
    switch = secured((Source(WIDE, "10.0.2.0/24"), Source(WIDE, "10.0.1.0/24")))
    assert switch.from_port("tap0", ALLOWED["ipv4-in-prefix"], 0).drop is None
    assert switch.from_port("tap0", REFUSED["ipv4-beside-prefix"], 0).drop is None
