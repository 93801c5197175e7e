# SPDX-License-Identifier: Apache-2.0
"""Agents, as an administrator sees and changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.commands.act import fields
from vxnet.cluster.commands.draft import Draft
from vxnet.cluster.commands.errors import agent_in_use, agent_not_found, not_authorized

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller
    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.records import Agent
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Decision


def agent(replica: Replica, caller: Caller, name: str) -> Agent:
    """Return the agent with this id, for an administrator."""
    if caller.is_admin:
        for found in replica.agents:
            if found.id == name:
                return found
    raise agent_not_found(name)


def update(replica: Replica, act: Act, name: str, values: dict[str, Any]) -> Decision[Agent]:
    """Change what an administrator says of an agent."""
    old = agent(replica, act.caller, name)
    if not act.caller.may_write:
        raise not_authorized("update_agent")
    draft = Draft(replica, act)
    new = msgspec.structs.replace(old, **fields(values, "admin_state_up", "description"))
    if new != old:
        draft.put(new)
    return draft.decision(new)


def delete(replica: Replica, act: Act, name: str, *, alive: bool) -> Decision[None]:
    """Forget an agent that is not ``alive`` any more, and that no port is bound to."""
    old = agent(replica, act.caller, name)
    if alive:
        raise agent_in_use(name, f"the agent of {old.host} is alive; stop it first")
    if replica.ports.count("binding_host_id", old.host):
        raise agent_in_use(name, f"ports are bound to {old.host}; bind them elsewhere first")
    draft = Draft(replica, act)
    draft.delete(old)
    if beat := replica.heartbeats.get(old.host):
        draft.delete(beat)
    for state in replica.port_states.where("host", old.host):
        draft.delete(state)
    return draft.decision(None)
