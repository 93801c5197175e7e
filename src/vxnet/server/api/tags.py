# SPDX-License-Identifier: Apache-2.0
"""The tags of a resource: `--tag` of the openstack client.

GET, PUT, DELETE /v2.0/ports/ID/tags          all of them
GET, PUT, DELETE /v2.0/ports/ID/tags/TAG      one: 204 or 404, 201, 204
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from vxnet.cluster.commands import tags
from vxnet.cluster.commands.access import found
from vxnet.cluster.commands.errors import InvalidInput, TagNotFound
from vxnet.server.api.answers import answer
from vxnet.server.api.kinds import NAME, UnfitError, list_of
from vxnet.server.api.request import context_of, object_of_request
from vxnet.server.api.routing import at

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from vxnet.cluster.writing import Cluster

_TAGS = list_of(NAME, most=50)


class Tags:
    """The routes of the tags of one kind of resource."""

    def __init__(self, cluster: Cluster, collection: str, kind: type[Any]) -> None:
        self._cluster = cluster
        self._collection = collection
        self._kind = kind

    def routes(self) -> list[Route]:
        """Return where they are found."""
        path = f"/v2.0/{self._collection}/{{id}}/tags"
        return [
            at(path, GET=self.show, PUT=self.replace, DELETE=self.clear),
            at(f"{path}/{{tag}}", GET=self.has, PUT=self.add, DELETE=self.remove),
        ]

    async def show(self, request: Request) -> Response:
        """Answer all."""
        record = found(await self._cluster.fresh(), context_of(request), self._kind, request.path_params["id"])
        return answer({"tags": record.tags})

    async def has(self, request: Request) -> Response:
        """Answer whether it is there."""
        record = found(await self._cluster.fresh(), context_of(request), self._kind, request.path_params["id"])
        tag = request.path_params["tag"]
        if tag not in record.tags:
            raise TagNotFound(f"tag {tag} could not be found")
        return Response(status_code=204)

    async def replace(self, request: Request) -> Response:
        """Let it have these and no others."""
        body = await object_of_request(request, "tags")
        try:
            wanted = _TAGS.convert(body["tags"])
        except UnfitError as error:
            raise InvalidInput(f"tags: {error}") from None
        return answer({"tags": await self._replace(request, wanted)})

    async def clear(self, request: Request) -> Response:
        """Let it have none."""
        await self._replace(request, ())
        return Response(status_code=204)

    async def _replace(self, request: Request, wanted: tuple[str, ...]) -> tuple[str, ...]:
        context, name, kind = context_of(request), request.path_params["id"], self._kind
        record = await self._cluster.write(lambda replica: tags.replace(replica, context, kind, name, wanted))
        there: tuple[str, ...] = record.tags
        return there

    async def add(self, request: Request) -> Response:
        """Add one."""
        context, path, kind = context_of(request), request.path_params, self._kind
        await self._cluster.write(lambda replica: tags.add(replica, context, kind, path["id"], path["tag"]))
        return Response(status_code=201)

    async def remove(self, request: Request) -> Response:
        """Remove one."""
        context, path, kind = context_of(request), request.path_params, self._kind
        await self._cluster.write(lambda replica: tags.remove(replica, context, kind, path["id"], path["tag"]))
        return Response(status_code=204)
