# SPDX-License-Identifier: Apache-2.0
"""Quotas over HTTP.

GET             /v2.0/quotas                      those that projects have of their own: an administrator's
GET PUT DELETE  /v2.0/quotas/PROJECT              -1: no limit
GET             /v2.0/quotas/PROJECT/default      what a project has unless it is told otherwise
GET             /v2.0/quotas/PROJECT/details      and how much of it is used; also details.json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from vxnet.cluster.commands import quotas as commands
from vxnet.cluster.commands.errors import bad_request, not_authorized
from vxnet.server.api.answers import answer, body_of
from vxnet.server.api.handlers import caller_of
from vxnet.server.api.kinds import BOOLEAN, number

if TYPE_CHECKING:
    from starlette.requests import Request

    from vxnet.cluster.replica import Replica
    from vxnet.server.api.handlers import Api

LIMIT: Final = number(-1, 2**31 - 1)
"""How much of a resource a project may have."""

LONGEST_PROJECT: Final = 255


class Quotas:
    """The requests about quotas."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def index(self, request: Request) -> Response:
        """Answer with the quotas that projects have of their own."""
        view = await self._api.view(request)
        if not view.caller.is_admin:
            raise not_authorized("get_quota")
        return answer({"quotas": [self._of(view.replica, quota.project_id) for quota in view.replica.quotas]})

    def _of(self, replica: Replica, project_id: str) -> dict[str, Any]:
        limits = commands.limits(replica, self._api.settings.quotas, project_id)
        return {"project_id": project_id, "tenant_id": project_id, **limits}

    async def show(self, request: Request) -> Response:
        """Answer with a project's quota."""
        view = await self._api.view(request)
        project_id = request.path_params["project"]
        commands.check_sees(view.caller, project_id)
        return answer({"quota": commands.limits(view.replica, self._api.settings.quotas, project_id)})

    async def default(self, request: Request) -> Response:
        """Answer with what all projects have unless told otherwise."""
        commands.check_sees(caller_of(request), request.path_params["project"])
        return answer({"quota": {name: self._api.settings.quotas.get(name, -1) for name in commands.RESOURCES}})

    async def details(self, request: Request) -> Response:
        """Answer with a project's quota and what it uses of it."""
        view = await self._api.view(request)
        project_id = request.path_params["project"]
        commands.check_sees(view.caller, project_id)
        limits = commands.limits(view.replica, self._api.settings.quotas, project_id)
        used = commands.used(view.replica, project_id)
        details = {name: {"limit": limits[name], "used": used[name], "reserved": 0} for name in commands.RESOURCES}
        return answer({"quota": details})

    async def update(self, request: Request) -> Response:
        """Give a project a quota of its own."""
        project_id = request.path_params["project"]
        changes, check = _changes(await body_of(request))
        if len(project_id) > LONGEST_PROJECT:
            raise bad_request(f"Invalid input for project_id. Reason: it is longer than {LONGEST_PROJECT} characters.")
        limits = await self._api.write(
            request, lambda replica, act: commands.update(replica, act, project_id, changes, check=check)
        )
        return answer({"quota": limits})

    async def delete(self, request: Request) -> Response:
        """Let a project have what all have."""
        project_id = request.path_params["project"]
        await self._api.write(request, lambda replica, act: commands.delete(replica, act, project_id))
        return Response(status_code=204)


def _changes(body: Any) -> tuple[dict[str, int], bool]:  # noqa: ANN401  (it comes from outside)
    """Return the limits of a body, and whether they are to be checked against what is used."""
    if not isinstance(body, dict) or body.keys() != {"quota"} or not isinstance(body["quota"], dict):
        raise bad_request("Unable to find 'quota' in request body")
    values = dict(body["quota"])
    try:
        flags = {name: BOOLEAN.convert(values.pop(name)) for name in ("check_limit", "force") if name in values}
        if strange := sorted(values.keys() - set(commands.RESOURCES)):
            raise bad_request(f"Unrecognized attribute(s) '{', '.join(strange)}'")
        limits = {name: LIMIT.convert(value) for name, value in values.items()}
    except ValueError as error:
        raise bad_request(f"Invalid input for quota. Reason: {error}.") from None
    return limits, flags.get("check_limit", False) and not flags.get("force", False)
