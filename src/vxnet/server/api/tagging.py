# SPDX-License-Identifier: Apache-2.0
"""Tags over HTTP: all of a thing's, or one.

GET PUT DELETE  /v2.0/networks/ID/tags           {"tags": ["a", "b"]}; PUT replaces, POST adds
GET PUT DELETE  /v2.0/networks/ID/tags/TAG       no body
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from vxnet.cluster.commands import tags as commands
from vxnet.cluster.commands.errors import bad_request, tag_not_found
from vxnet.server.api.answers import answer, body_of
from vxnet.server.api.kinds import TAG, TAGS

if TYPE_CHECKING:
    from starlette.requests import Request

    from vxnet.server.api.handlers import Api


class Tagging:
    """The requests about tags of one kind of resource."""

    def __init__(self, api: Api, resource: str) -> None:
        self._api = api
        self._resource = resource

    async def index(self, request: Request) -> Response:
        """Answer with a thing's tags."""
        view = await self._api.view(request)
        return answer({"tags": commands.tags_of(view.replica, view.caller, self._resource, request.path_params["id"])})

    async def replace(self, request: Request) -> Response:
        """Give a thing these tags and no others."""
        tags, name = _tags(await body_of(request)), request.path_params["id"]
        now = await self._api.write(
            request, lambda replica, act: commands.replace(replica, act, self._resource, name, tags)
        )
        return answer({"tags": now})

    async def extend(self, request: Request) -> Response:
        """Give a thing these tags, too."""
        tags, name = _tags(await body_of(request)), request.path_params["id"]
        now = await self._api.write(
            request, lambda replica, act: commands.add(replica, act, self._resource, name, tags)
        )
        return answer({"tags": now}, 201)

    async def clear(self, request: Request) -> Response:
        """Take all tags from a thing."""
        name = request.path_params["id"]
        await self._api.write(request, lambda replica, act: commands.replace(replica, act, self._resource, name, ()))
        return Response(status_code=204)

    async def check(self, request: Request) -> Response:
        """Answer whether a thing has a tag."""
        view = await self._api.view(request)
        tag = request.path_params["tag"]
        if tag not in commands.tags_of(view.replica, view.caller, self._resource, request.path_params["id"]):
            raise tag_not_found(tag)
        return Response(status_code=204)

    async def add(self, request: Request) -> Response:
        """Give a thing one tag."""
        tag, name = _tag(request.path_params["tag"]), request.path_params["id"]
        await self._api.write(request, lambda replica, act: commands.add(replica, act, self._resource, name, (tag,)))
        return Response(status_code=201)

    async def remove(self, request: Request) -> Response:
        """Take one tag from a thing."""
        tag, name = request.path_params["tag"], request.path_params["id"]
        await self._api.write(request, lambda replica, act: commands.remove(replica, act, self._resource, name, tag))
        return Response(status_code=204)


def _tags(body: Any) -> tuple[str, ...]:  # noqa: ANN401  (it comes from outside)
    if not isinstance(body, dict) or body.keys() != {"tags"} or not isinstance(body["tags"], list):
        raise bad_request("Invalid input for tags. Reason: the body is an object with a list of texts, 'tags'.")
    try:
        tags: tuple[str, ...] = TAGS.convert(body["tags"])
    except ValueError as error:
        raise bad_request(f"Invalid input for tags. Reason: {error}.") from None
    return tags


def _tag(tag: str) -> str:
    try:
        text: str = TAG.convert(tag)
    except ValueError as error:
        raise bad_request(f"Invalid input for tags. Reason: {error}.") from None
    return text
