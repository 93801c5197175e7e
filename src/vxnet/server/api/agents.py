# SPDX-License-Identifier: Apache-2.0
"""The hosts' agents, for administrators: `openstack network agent list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from vxnet.cluster.commands import agents
from vxnet.cluster.commands.errors import PolicyNotAuthorized
from vxnet.server.api import query as queries
from vxnet.server.api.accept import Attribute, accept, resource
from vxnet.server.api.answers import answer
from vxnet.server.api.kinds import DESCRIPTION, FLAG
from vxnet.server.api.request import context_of, object_of_request
from vxnet.server.api.routing import at
from vxnet.server.api.standard import TEXT, TIME

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.records import Agent
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Cluster

AGENTS = resource(
    "agent",
    (
        Attribute(name="id", schema=TEXT),
        Attribute(name="agent_type", schema=TEXT),
        Attribute(name="binary", schema=TEXT),
        Attribute(name="topic", schema=TEXT),
        Attribute(name="host", schema=TEXT),
        Attribute(name="availability_zone", schema={"type": "null"}),
        Attribute(name="admin_state_up", kind=FLAG, admin=True),
        Attribute(name="description", kind=DESCRIPTION, admin=True),
        Attribute(name="alive", schema={"type": "boolean"}),
        Attribute(name="created_at", schema=TIME),
        Attribute(name="started_at", schema=TIME),
        Attribute(name="heartbeat_timestamp", schema=TIME),
        Attribute(name="configurations", schema={"type": "object"}),
    ),
)


class Agents:
    """The routes of agents."""

    def __init__(self, cluster: Cluster, liveness: Liveness) -> None:
        self._cluster = cluster
        self._liveness = liveness

    def routes(self) -> list[Route]:
        """Return where they are found."""
        return [
            at("/v2.0/agents", GET=self.list),
            at("/v2.0/agents/{id}", GET=self.show, PUT=self.update, DELETE=self.delete),
        ]

    async def list(self, request: Request) -> Response:
        """Answer those that are asked for."""
        if not request.state.caller.is_admin:
            raise PolicyNotAuthorized("agents are for administrators to see")
        query = queries.parse(request.query_params, AGENTS, -1)
        replica = await self._cluster.fresh()
        views = [view for agent in replica.agents if queries.fits(query, view := self._view(replica, agent))]
        page = queries.page(query, queries.ordered(query, views))
        return answer({"agents": [queries.cut(query, view) for view in page.views]})

    async def show(self, request: Request) -> Response:
        """Answer one."""
        replica = await self._cluster.fresh()
        agent = agents.found(replica, context_of(request), request.path_params["id"])
        return answer({"agent": self._view(replica, agent)})

    async def update(self, request: Request) -> Response:
        """Change what administrators say of one."""
        body, context = await object_of_request(request, "agent"), context_of(request)
        values = accept(AGENTS, body["agent"], context.caller, "PUT")
        name = request.path_params["id"]
        agent = await self._cluster.write(lambda replica: agents.update(replica, context, name, values))
        return answer({"agent": self._view(self._cluster.replica, agent)})

    async def delete(self, request: Request) -> Response:
        """Forget one."""
        context, name = context_of(request), request.path_params["id"]

        def alive(replica: Replica) -> bool:
            return self._liveness.alive(agents.found(replica, context, name).host)

        await self._cluster.write(lambda replica: agents.delete(replica, context, name, alive=alive(replica)))
        return Response(status_code=204)

    def _view(self, replica: Replica, agent: Agent) -> dict[str, Any]:
        beat = replica.heartbeats.get(agent.host)
        return {
            "id": agent.id,
            "agent_type": "VXLAN agent",
            "binary": "vxnet-agent",
            "topic": "N/A",
            "host": agent.host,
            "availability_zone": None,
            "admin_state_up": agent.admin_state_up,
            "description": agent.description,
            "alive": self._liveness.alive(agent.host),
            "created_at": agent.created_at,
            "started_at": agent.started_at,
            "heartbeat_timestamp": beat.at if beat else agent.created_at,
            "configurations": {
                "tunnel_types": ["vxlan"],
                "tunneling_ip": agent.local,
                "underlay_mtu": agent.underlay_mtu,
                "version": agent.version,
            },
        }
