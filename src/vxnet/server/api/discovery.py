# SPDX-License-Identifier: Apache-2.0
"""How clients find out what there is: versions, resources, extensions; and what is not here but is asked for.

GET /            versions, without authentication: clients ask before they log in
GET /v2.0        one answer for those that look for versions and those that look for resources
GET /v2.0/tenants, /v2.0/projects      403: then clients take the project they were given for an id, as it is
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands.errors import RefusedError
from vxnet.server.api import extensions
from vxnet.server.api.answers import answer
from vxnet.server.api.handlers import caller_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from vxnet.server.api.handlers import Api


class Discovery:
    """The requests that come before all others."""

    def __init__(self, api: Api, plurals: dict[str, str]) -> None:
        """``plurals``: the collections, with the name of one of each."""
        self._api = api
        self._plurals = plurals

    def _version(self, request: Request) -> dict[str, Any]:
        link = {"rel": "self", "href": f"{self._api.base(request)}/v2.0/"}
        return {"id": "v2.0", "status": "CURRENT", "links": [link]}

    async def root(self, request: Request) -> Response:
        """Answer with the versions."""
        return answer({"versions": [self._version(request)]})

    async def version(self, request: Request) -> Response:
        """Answer with the resources, and the version."""
        base = f"{self._api.base(request)}/v2.0"
        resources = [
            {"name": name, "collection": plural, "links": [{"rel": "self", "href": f"{base}/{plural}"}]}
            for plural, name in self._plurals.items()
        ]
        return answer({"resources": resources, "version": self._version(request)})

    async def extensions(self, request: Request) -> Response:
        """Answer with all extensions."""
        caller_of(request)
        return answer({"extensions": [extensions.shown(alias) for alias in extensions.EXTENSIONS]})

    async def extension(self, request: Request) -> Response:
        """Answer with one extension."""
        caller_of(request)
        alias = request.path_params["alias"]
        if alias not in extensions.EXTENSIONS:
            raise RefusedError(404, "HTTPNotFound", f"Extension with alias {alias} does not exist")
        return answer({"extension": extensions.shown(alias)})

    async def projects(self, request: Request) -> Response:
        """Refuse to say which projects there are."""
        caller_of(request)
        raise RefusedError(403, "PolicyNotAuthorized", "Projects are not listed here: give a project's id")
