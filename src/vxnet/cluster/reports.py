# SPDX-License-Identifier: Apache-2.0
"""What an agent's report makes of the records: its own, and the states of the ports that are bound to its host."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import msgspec

from vxnet.cluster.records import Agent, PortState
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.messages import Report
    from vxnet.cluster.replica import Replica


def taken(replica: Replica, host: str, report: Report, now: str, most: int) -> Decision[bool]:
    """Return what is to be written for a report, of ``most`` records at the most; the result tells if that is all."""
    agent = _agent(replica.agents.get(host), host, report, now)
    changed: list[Agent | PortState] = [] if agent == replica.agents.get(host) else [agent]
    states = list(_states(replica, host, frozenset(report.active)))
    gone = [state for state in replica.port_states.where("host", host) if not replica.ports.get(state.port_id)]
    put, delete = [*changed, *states][:most], gone[: max(0, most - len(changed) - len(states))]
    done = len(put) + len(delete) == len(changed) + len(states) + len(gone)
    if not put and not delete:
        return Decision(None, done)
    # A port may go while its state is written: the state then says nothing, and the next report removes it.
    return Decision(transaction(replica, put=put, delete=delete), done)


def _agent(old: Agent | None, host: str, report: Report, now: str) -> Agent:
    new = old or Agent(
        id=str(uuid.uuid5(uuid.NAMESPACE_DNS, host)),
        host=host,
        local=report.local,
        underlay_mtu=report.underlay_mtu,
        version=report.version,
        created_at=now,
        started_at=report.started_at,
    )
    return msgspec.structs.replace(
        new,
        local=report.local,
        underlay_mtu=report.underlay_mtu,
        version=report.version,
        started_at=report.started_at,
    )


def _states(replica: Replica, host: str, active: frozenset[str]) -> Iterator[PortState]:
    """Yield what has changed. An agent speaks for the ports bound to its host, and for no others."""
    for port in replica.ports.where("binding_host_id", host):
        state = PortState(port.id, host, port.id in active)
        old = replica.port_states.get(port.id)
        if state != old and (old is not None or state.active):
            yield state
