# SPDX-License-Identifier: Apache-2.0
"""Which agents are alive, and so which ports forward.

An agent is alive while its heartbeats change. When one arrived is read from this server's monotonic clock, never from
the time that stands in it: clocks of servers differ, and are set.

    agent --report, every 5 s--> a server --Heartbeat, every 5 s at most--> store --> every server: seen now
                                    '-- that server: seen now                         alive: seen within 20 s

So a store that cannot be written now makes nobody dead whom this server hears.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vxnet.cluster.records import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from vxnet.cluster.records import Port
    from vxnet.cluster.replica import Edit, Replica

ALIVE = 20.0
"""Seconds without a heartbeat after which an agent is not alive. With two intervals of 5 s before it: 30 at most."""

INTERVAL = 5.0
"""Seconds between an agent's reports, and between a server's writes of what it has heard."""


class Liveness:
    """When each agent was heard of last. An observer of the cluster."""

    def __init__(self, replica: Replica, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._counts: dict[str, int] = {}
        self._seen: dict[str, float] = {}
        self.reloaded(replica)

    def alive(self, host: str) -> bool:
        """Tell whether the agent of a host is alive."""
        return host in self._seen and self._now() - self._seen[host] < ALIVE

    def hear(self, host: str) -> None:
        """Note what this server has heard itself, before it is written."""
        self._seen[host] = self._now()

    def changed(self, revision: int, edits: list[Edit]) -> None:  # noqa: ARG002  (an observer is told)
        """Note the heartbeats."""
        for edit in edits:
            if isinstance(edit.new, Heartbeat):
                self._note(edit.new, self._now())

    def reloaded(self, replica: Replica) -> None:
        """Note what has changed since; for those that are new here their own time is all there is to go by."""
        for beat in replica.heartbeats:
            age = (datetime.now(UTC) - datetime.fromisoformat(beat.at)).total_seconds()
            self._note(beat, self._now() - max(0.0, age) if beat.host not in self._counts else self._now())

    def _note(self, beat: Heartbeat, seen: float) -> None:
        if self._counts.get(beat.host) != beat.count:
            self._counts[beat.host] = beat.count
            self._seen[beat.host] = max(seen, self._seen.get(beat.host, seen))


def is_active(replica: Replica, liveness: Liveness, port: Port) -> bool:
    """Tell whether a port forwards: the agent of its host has confirmed it, and is alive to take it back."""
    state = replica.port_states.get(port.id)
    confirmed = state is not None and state.active and state.host == port.binding_host_id
    return confirmed and port.admin_state_up and liveness.alive(port.binding_host_id)
