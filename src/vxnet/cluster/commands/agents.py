# SPDX-License-Identifier: Apache-2.0
"""Agents, for administrators: describing one, and forgetting one that has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.commands.errors import AgentInUse, AgentNotFound, PolicyNotAuthorized
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from vxnet.cluster.commands.access import Context
    from vxnet.cluster.records import Agent
    from vxnet.cluster.replica import Replica


def found(replica: Replica, context: Context, name: str) -> Agent:
    """Return the agent with this id."""
    if not context.caller.is_admin:
        raise PolicyNotAuthorized("agents are for administrators to see")
    for agent in replica.agents:
        if agent.id == name:
            return agent
    raise AgentNotFound(f"Agent {name} could not be found")


def update(replica: Replica, context: Context, name: str, values: dict[str, Any]) -> Decision[Agent]:
    """Change what administrators say of an agent."""
    agent = msgspec.structs.replace(found(replica, context, name), **values)
    return Decision(transaction(replica, put=[agent]), agent)


def delete(replica: Replica, context: Context, name: str, *, alive: bool) -> Decision[None]:
    """Forget an agent that is not alive, and whose host has no ports."""
    agent = found(replica, context, name)
    if alive:
        raise AgentInUse(f"agent {name} is alive; end `vxnet agent` on host {agent.host} first")
    if ports := replica.ports.count("binding_host_id", agent.host):
        raise AgentInUse(f"{ports} ports are bound to host {agent.host}; bind them to others first")
    beat = replica.heartbeats.get(agent.host)
    states = replica.port_states.where("host", agent.host)
    return Decision(transaction(replica, delete=[agent, *([beat] if beat else []), *states]), None)
