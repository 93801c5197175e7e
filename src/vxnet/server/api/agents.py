# SPDX-License-Identifier: Apache-2.0
"""Agents in the API: an administrator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands import agents as commands
from vxnet.server.api.attributes import Attribute, Resource, View
from vxnet.server.api.kinds import BOOLEAN, NAME, OBJECT, TIME, UUID, nothing
from vxnet.server.api.standard import always, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.records import Agent

AGENT_TYPE = "VXLAN agent"
BINARY = "vxnet-agent"


def _records(view: View) -> Iterator[Agent]:
    return iter(view.replica.agents if view.caller.is_admin else ())


def _heartbeat(view: View, agent: Agent) -> str:
    beat = view.replica.heartbeats.get(agent.host)
    return beat.at if beat else agent.created_at


def _configurations(view: View, agent: Agent) -> dict[str, Any]:
    return {
        "local": agent.local,
        "underlay_mtu": agent.underlay_mtu,
        "version": agent.version,
        "ports": view.replica.ports.count("binding_host_id", agent.host),
    }


AGENT = Resource(
    name="agent",
    plural="agents",
    records=_records,
    sees=lambda view, _: view.caller.is_admin,
    find=lambda view, name: commands.agent(view.replica, view.caller, name),
    narrow=lambda _replica, _name, _values: None,
    attributes=(
        Attribute(name="id", kind=UUID, about="Its id.", show=field("id"), filter=True, sort=True),
        Attribute(
            name="agent_type", kind=NAME, about=f"Always {AGENT_TYPE}.", show=always(AGENT_TYPE), filter=True, sort=True
        ),
        Attribute(name="binary", kind=NAME, about=f"Always {BINARY}.", show=always(BINARY), filter=True, sort=True),
        Attribute(name="topic", kind=NAME, about="Always N/A.", show=always("N/A"), filter=True, sort=True),
        Attribute(name="host", kind=NAME, about="The host it is at.", show=field("host"), filter=True, sort=True),
        Attribute(
            name="alive", kind=BOOLEAN, about="Whether it was heard of within the last 20 s.",
            show=lambda view, agent: view.liveness.alive(agent.host), filter=True, sort=True,
        ),
        Attribute(
            name="admin_state_up", kind=BOOLEAN, about="What an administrator says of it.",
            show=field("admin_state_up"), put=True, filter=True, sort=True,
        ),
        Attribute(
            name="description", kind=NAME, about="What people say of it.",
            show=field("description"), put=True, filter=True, sort=True,
        ),
        Attribute(
            name="heartbeat_timestamp", kind=TIME, about="When it was heard of last, in UTC.", show=_heartbeat,
            sort=True,
        ),
        Attribute(
            name="created_at", kind=TIME, about="When it was heard of first, in UTC.", show=field("created_at"),
            sort=True,
        ),
        Attribute(
            name="started_at", kind=TIME, about="When it was started, in UTC.", show=field("started_at"), sort=True
        ),
        Attribute(
            name="configurations", kind=OBJECT,
            about="local: its VTEP's address; underlay_mtu: in bytes; version; ports: how many are bound to its host.",
            show=_configurations,
        ),
        Attribute(
            name="availability_zone", kind=nothing("there are no availability zones here"), about="Always null.",
            show=always(None),
        ),
        Attribute(
            name="resources_synced", kind=nothing(""), about="Always null.", show=always(None)
        ),
    ),
)  # fmt: skip
