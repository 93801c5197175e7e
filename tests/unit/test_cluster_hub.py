# SPDX-License-Identifier: Apache-2.0
"""The hub: whoever follows its stream ends where a snapshot would begin, and nobody else is told anything."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cloud import HOSTS, Cloud, agent, network, port, steps, subnet
from vxnet.cluster import hub as hubs
from vxnet.cluster.check import Difference, of_host
from vxnet.cluster.hub import Hub, Stream
from vxnet.cluster.messages import DECODER, PortPut, SegmentGone, SegmentPut, Snapshot, Tick
from vxnet.sources.cluster.desired import desired, device_name
from vxnet.sources.cluster.held import held
from vxnet.sources.cluster.view import View

if TYPE_CHECKING:
    import pytest

    from tests.support.cloud import Step
    from vxnet.cluster.messages import Message, Segment


def read(stream: Stream) -> list[Message]:
    """Return what waits in a stream."""
    return [DECODER.decode(line) for line in asyncio.run(stream.take(0.0)).splitlines()]


def seen(view: View) -> tuple[Segment, ...]:
    """Return a view's segments."""
    return tuple(view.segments())


def snapshot(hub: Hub, host: str) -> tuple[Segment, ...]:
    """Return what a host is told that knows nothing."""
    view = View()
    for message in read(hub.join(host, "", 0)):
        view.apply(message)
    return seen(view)


class Room:
    """A hub of a small cloud, with an ear for each host."""

    def __init__(self) -> None:
        self.cloud = Cloud()
        self.hub = Hub(self.cloud.replica)
        self.views = {host: View() for host in HOSTS}
        self.streams = {host: self.hub.join(host, "", 0) for host in HOSTS}

    def step(self, step: Step) -> None:
        """Let one transaction happen."""
        put, delete = step
        if put:
            self.hub.changed(*self.cloud.put(*put))
        if delete:
            self.hub.changed(*self.cloud.delete(*delete))

    def listen(self, host: str) -> list[Message]:
        """Take what waits for a host."""
        messages = read(self.streams[host])
        for message in messages:
            self.views[host].apply(message)
        return messages

    def rejoin(self, host: str) -> None:
        """Cut a host's stream, losing what waits there, and join again."""
        self.hub.leave(self.streams[host])
        view = self.views[host]
        self.streams[host] = self.hub.join(host, view.incarnation, view.revision)


@given(steps())
def test_a_stream_leads_to_the_snapshot(done: list[Step]) -> None:
    """Whatever happens, what a host was told step by step is what it would be told at once."""
    room = Room()
    for step in done:
        room.step(step)
    for host in HOSTS:
        room.listen(host)
        assert seen(room.views[host]) == snapshot(room.hub, host)


@given(steps(), st.lists(st.tuples(st.integers(0, 25), st.sampled_from(HOSTS))))
def test_a_cut_loses_nothing(done: list[Step], cuts: list[tuple[int, str]]) -> None:
    """A stream that is cut anywhere, with what waits in it lost, goes on from the revision that was heard last."""
    room = Room()
    for host in HOSTS:
        room.listen(host)
    for at, step in enumerate(done):
        room.step(step)
        for host in {host for when, host in cuts if when == at}:
            room.rejoin(host)
            assert not any(isinstance(message, Snapshot) for message in room.listen(host))
            assert seen(room.views[host]) == snapshot(room.hub, host)
    for host in HOSTS:
        room.listen(host)
        assert seen(room.views[host]) == snapshot(room.hub, host)


@given(steps(), st.sets(st.integers(0, 5)))
def test_what_agents_make_of_it_is_what_the_check_expects(done: list[Step], plugged: set[int]) -> None:
    """The check, which works from the records, and the agent, which works from messages, come to the same host."""
    room = Room()
    for step in done:
        room.step(step)
    devices = {device_name(f"port-{number}"): "" for number in plugged}
    for host in HOSTS:
        room.listen(host)
        known = room.cloud.replica.agents.get(host)
        local = IPv4Address(known.local if known else "192.0.2.99")
        wanted = desired(room.views[host].segments(), local, devices, {})
        holds = held(wanted.state, wanted.ports, revision=0, local=local, waiting=wanted.waiting)
        assert list(of_host(host, holds, room.cloud.replica)) == []


def test_who_takes_no_part_hears_nothing() -> None:
    """A port of two hosts' network is no business of the third."""
    room = Room()
    room.step(((network("n1"), subnet("n1"), agent("h1"), agent("h2"), agent("h3")), ()))
    for host in HOSTS:
        room.listen(host)
    room.step(((port(1, "n1", "h1"),), ()))
    room.step(((port(2, "n1", "h2"),), ()))
    assert [type(message) for message in room.listen("h1")] == [SegmentPut, PortPut]
    assert [type(message) for message in room.listen("h2")] == [SegmentPut]
    assert room.listen("h3") == []


def test_what_hosts_are_not_told_concerns_nobody() -> None:
    """A description, a tag, a revision number: no line for them."""
    room = Room()
    room.step(((network("n1"), subnet("n1"), agent("h1"), port(1, "n1", "h1")), ()))
    room.listen("h1")
    room.step(((network("n1"),), ()))
    room.step(((port(1, "n1", "h1"),), ()))
    assert room.listen("h1") == []


def test_a_segment_ends_with_its_last_port() -> None:
    """The host whose last port moves away is told that the segment is gone; the other one gets all of it."""
    room = Room()
    room.step(((network("n1"), subnet("n1"), agent("h1"), agent("h2"), port(1, "n1", "h1")), ()))
    for host in HOSTS:
        room.listen(host)
    room.step(((port(1, "n1", "h2"),), ()))
    assert [type(message) for message in room.listen("h1")] == [SegmentGone]
    assert [type(message) for message in room.listen("h2")] == [SegmentPut]


def test_history_that_is_gone_is_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was away for longer than is remembered is told everything."""
    monkeypatch.setattr(hubs, "HISTORY", 2)
    room = Room()
    room.step(((network("n1"), subnet("n1"), agent("h1"), port(1, "n1", "h1")), ()))
    room.listen("h1")
    room.views["h1"].apply(Tick(room.cloud.replica.revision))
    for number in range(2, 5):
        room.step(((port(number, "n1", "h1"),), ()))
    room.rejoin("h1")
    assert isinstance(room.listen("h1")[0], Snapshot)


def test_another_store_is_a_snapshot() -> None:
    """Revisions of another incarnation mean nothing, however large."""
    room = Room()
    room.step(((network("n1"), agent("h1"), subnet("n1"), port(1, "n1", "h1")), ()))
    assert isinstance(read(room.hub.join("h1", "another", 1))[0], Snapshot)


def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream nobody reads ends instead of growing."""
    monkeypatch.setattr(hubs, "BACKLOG", 3)
    stream = Stream("h1")
    for _ in range(5):
        stream.put(b"line\n")
    assert stream.ended
    assert asyncio.run(stream.take(0.0)) == 3 * b"line\n"


def test_the_check_names_each_difference() -> None:
    """A kernel that lacks a MAC, floods to the wrong host and has a segment too many is told so."""
    room = Room()
    room.step(((network("n1"), subnet("n1"), agent("h1"), agent("h2"), port(1, "n1", "h1"), port(2, "n1", "h2")), ()))
    room.listen("h1")
    devices = {device_name("port-1"): ""}
    wanted = desired(room.views["h1"].segments(), IPv4Address("192.0.2.1"), devices, {})
    good = held(wanted.state, wanted.ports, revision=0, local=IPv4Address("192.0.2.1"), waiting=())
    replica = room.cloud.replica
    assert list(of_host("h1", good, replica)) == []
    room.cloud.put(agent("h2", "198.51.100.2"))
    assert sorted(of_host("h1", good, replica)) == [
        Difference(
            "host h1",
            "segment n1: fdb: fa:16:3e:00:00:02 at 198.51.100.2 is missing, "
            "fa:16:3e:00:00:02 at 192.0.2.2 is there for no reason",
        ),
        Difference("host h1", "segment n1: remotes: 198.51.100.2 is missing, 192.0.2.2 is there for no reason"),
    ]
    room.cloud.delete(port(1, "n1", "h1"))
    assert [found.what for found in of_host("h1", good, replica)] == ["segment n1 is there for no reason"]
