# SPDX-License-Identifier: Apache-2.0
"""How much projects may have: `openstack quota`. A project's name is its id.

GET /v2.0/quotas                         those that are not the defaults (administrators)
GET, PUT, DELETE /v2.0/quotas/PROJECT    what one may have; others; the defaults again
GET /v2.0/quotas/PROJECT/default         GET /v2.0/quotas/PROJECT/details.json: limit, used, reserved
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from vxnet.cluster.commands import quotas
from vxnet.cluster.commands.errors import PolicyNotAuthorized
from vxnet.server.api.accept import Attribute, accept, resource
from vxnet.server.api.answers import answer
from vxnet.server.api.kinds import number
from vxnet.server.api.request import context_of, object_of_request
from vxnet.server.api.routing import at

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from vxnet.cluster.writing import Cluster
    from vxnet.server.settings import Settings

_MOST = 2**31 - 1

QUOTAS = resource("quota", tuple(Attribute(name=name, kind=number(-1, _MOST), admin=True) for name in quotas.RESOURCES))


class Quotas:
    """The routes of quotas."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._cluster = cluster
        self._defaults = settings.quotas

    def routes(self) -> list[Route]:
        """Return where they are found."""
        return [
            at("/v2.0/quotas", GET=self.list),
            at("/v2.0/quotas/{project}", GET=self.show, PUT=self.update, DELETE=self.reset),
            at("/v2.0/quotas/{project}/default", GET=self.default),
            at("/v2.0/quotas/{project}/details.json", GET=self.details),
            at("/v2.0/quotas/{project}/details", GET=self.details),
        ]

    async def list(self, request: Request) -> Response:
        """Answer every project that has others than the defaults."""
        if not request.state.caller.is_admin:
            raise PolicyNotAuthorized("the quotas of all projects are for administrators to see")
        replica = await self._cluster.fresh()
        return answer({"quotas": [self._of(replica_quota.project_id) for replica_quota in replica.quotas]})

    async def show(self, request: Request) -> Response:
        """Answer what a project may have."""
        await self._cluster.fresh()
        return answer({"quota": self._of(_project(request))})

    async def default(self, request: Request) -> Response:
        """Answer what a project may have unless somebody has decided otherwise."""
        project = _project(request)
        limits = {name: self._defaults.get(name, -1) for name in quotas.RESOURCES}
        return answer({"quota": limits | {"project_id": project, "tenant_id": project}})

    async def details(self, request: Request) -> Response:
        """Answer what a project may have, and what it has."""
        replica, project = await self._cluster.fresh(), _project(request)
        limits, used = quotas.limits(replica, self._defaults, project), quotas.used(replica, project)
        return answer({"quota": {name: {"limit": limits[name], "used": used[name], "reserved": 0} for name in limits}})

    async def update(self, request: Request) -> Response:
        """Give a project other limits."""
        context, project = context_of(request), request.path_params["project"]
        body = await object_of_request(request, "quota")
        values = accept(QUOTAS, body["quota"], context.caller, "PUT")
        await self._cluster.write(lambda replica: quotas.change(replica, context, project, values))
        return answer({"quota": self._of(project)})

    async def reset(self, request: Request) -> Response:
        """Let a project have the defaults again."""
        context, project = context_of(request), request.path_params["project"]
        await self._cluster.write(lambda replica: quotas.reset(replica, context, project))
        return Response(status_code=204)

    def _of(self, project: str) -> dict[str, Any]:
        limits: dict[str, Any] = dict(quotas.limits(self._cluster.replica, self._defaults, project))
        return limits | {"project_id": project, "tenant_id": project}


def _project(request: Request) -> str:
    """Return the project that is asked about. PolicyNotAuthorized unless it is the caller's."""
    project: str = request.path_params["project"]
    if not request.state.caller.owns(project):
        raise PolicyNotAuthorized(f"the quota of project {project} is not yours to see")
    return project
