# SPDX-License-Identifier: Apache-2.0
"""Bodies in and out: JSON, and the errors as Neutron words them.

{"NeutronError": {"type": "NetworkNotFound", "message": "Network x could not be found.", "detail": ""}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from vxnet.cluster.commands.errors import RefusedError, bad_request
from vxnet.store.base import StoreError
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.exceptions import HTTPException
    from starlette.requests import Request

MOST_LEVELS: Final = 32
"""How deep lists and objects of a body may be in one another; every way it takes from here on has room for that."""

_KINDS = {
    400: "HTTPBadRequest",
    401: "HTTPUnauthorized",
    403: "HTTPForbidden",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    413: "HTTPRequestEntityTooLarge",
    415: "HTTPUnsupportedMediaType",
    500: "HTTPInternalServerError",
    503: "HTTPServiceUnavailable",
}
_MESSAGES = {
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
}


def answer(body: Any, status: int = 200) -> Response:  # noqa: ANN401  (whatever JSON can say)
    """Return a body as JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def error(status: int, message: str, kind: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return an error as Neutron words it."""
    body = {"NeutronError": {"type": kind or _KINDS[status], "message": message, "detail": ""}}
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


async def refused(_: Request, reason: Exception) -> Response:
    """Answer what cannot be done."""
    assert isinstance(reason, RefusedError)  # noqa: S101  (it is registered for it)
    return error(reason.status, str(reason), reason.kind)


async def store_away(_: Request, reason: Exception) -> Response:
    """Answer while the store is away: nobody can say now what is."""
    assert isinstance(reason, StoreError)  # noqa: S101
    return error(503, str(reason), headers={"Retry-After": "5"})


async def not_served(request: Request, reason: Exception) -> Response:
    """Answer for a path or a method that is not there."""
    http: HTTPException = reason  # type: ignore[assignment]  # it is registered for it
    headers = dict(http.headers or {})
    if http.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return error(http.status_code, _MESSAGES.get(http.status_code, http.detail), headers=headers)


def _methods(request: Request) -> set[str]:
    """Return the methods that there are for a path, of all routes that have it (RFC 9110 section 10.2.1)."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    return {method for route in routes if route.path_regex.match(request.url.path) for method in route.methods or ()}


async def body_of(request: Request) -> Any:  # noqa: ANN401
    """Return the JSON of a request's body."""
    raw = await request.body()
    if not raw:
        raise bad_request("Resource body required")
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedError(415, _KINDS[415], f"The body is {media_type}: it must be application/json")
    try:
        body = msgspec.json.decode(raw)
    except UNDECODABLE as malformed:
        raise bad_request(f"The body is no JSON: {malformed}") from None
    level = _containers([body])
    for _ in range(MOST_LEVELS):
        level = _containers(inner for one in level for inner in (one.values() if isinstance(one, dict) else one))
    if level:
        raise bad_request(f"The body has lists and objects in one another, more than {MOST_LEVELS} deep")
    return body


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]
