# SPDX-License-Identifier: Apache-2.0
"""Liveness: an agent is alive while its heartbeats change, whatever any clock says."""

from __future__ import annotations

import pytest

from tests.support.cloud import Cloud, agent, network, port, subnet
from vxnet.cluster.liveness import ALIVE, Liveness, is_active
from vxnet.cluster.records import Heartbeat, PortState

PAST, FUTURE = "1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z"


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.mark.parametrize("at", [PAST, FUTURE])
def test_a_step_of_the_wall_clock_changes_nothing(at: str) -> None:
    """A heartbeat counts when it arrives, also if the time in it is years away."""
    cloud, clock = Cloud(), Clock()
    liveness = Liveness(cloud.replica, clock)
    liveness.changed(*cloud.put(Heartbeat("h1", at, 1)))
    assert liveness.alive("h1")
    clock.now += ALIVE - 1
    assert liveness.alive("h1")
    clock.now += 1
    assert not liveness.alive("h1")
    liveness.changed(*cloud.put(Heartbeat("h1", PAST, 2)))
    assert liveness.alive("h1")


def test_the_same_heartbeat_again_is_none() -> None:
    """What is written again unchanged is no sign of life."""
    cloud, clock = Cloud(), Clock()
    liveness = Liveness(cloud.replica, clock)
    liveness.changed(*cloud.put(Heartbeat("h1", PAST, 1)))
    clock.now += ALIVE
    liveness.changed(*cloud.put(Heartbeat("h1", PAST, 1)))
    assert not liveness.alive("h1")


def test_a_server_that_starts_believes_nobody_old() -> None:
    """Of heartbeats that were there before it, a server takes those whose time is long past for old."""
    cloud = Cloud()
    cloud.put(Heartbeat("old", PAST, 1), Heartbeat("odd", FUTURE, 1))
    liveness = Liveness(cloud.replica, Clock())
    assert not liveness.alive("old")
    assert liveness.alive("odd")
    assert not liveness.alive("nobody")


def test_what_changed_while_the_store_was_away() -> None:
    """After everything was read anew, a heartbeat that has changed since counts, one that has not does not."""
    cloud, clock = Cloud(), Clock()
    cloud.put(Heartbeat("h1", PAST, 1), Heartbeat("h2", PAST, 1))
    liveness = Liveness(cloud.replica, clock)
    cloud.put(Heartbeat("h2", PAST, 2))
    liveness.reloaded(cloud.replica)
    assert not liveness.alive("h1")
    assert liveness.alive("h2")


def test_who_is_heard_is_alive() -> None:
    """A server takes those for alive whom it hears itself, also while the store cannot be written."""
    cloud, clock = Cloud(), Clock()
    cloud.put(Heartbeat("h1", PAST, 1))
    liveness = Liveness(cloud.replica, clock)
    liveness.hear("h1")
    liveness.hear("new")
    assert liveness.alive("h1")
    assert liveness.alive("new")
    cloud.put(Heartbeat("new", PAST, 1))
    liveness.reloaded(cloud.replica)  # which brings an older sign of life
    assert liveness.alive("new")
    clock.now += ALIVE
    assert not liveness.alive("h1")
    assert not liveness.alive("new")


def test_a_port_forwards() -> None:
    """ACTIVE: bound to a host whose agent is alive and has confirmed it there, and not switched off."""
    cloud, clock = Cloud(), Clock()
    liveness = Liveness(cloud.replica, clock)
    mine = port(1, "n1", "h1")
    cloud.put(network("n1"), subnet("n1"), agent("h1"), mine, PortState("port-1", "h1", active=True))
    assert not is_active(cloud.replica, liveness, mine)
    liveness.changed(*cloud.put(Heartbeat("h1", PAST, 1)))
    assert is_active(cloud.replica, liveness, mine)
    assert not is_active(cloud.replica, liveness, port(1, "n1", "h2"))
    clock.now += ALIVE
    assert not is_active(cloud.replica, liveness, mine)
