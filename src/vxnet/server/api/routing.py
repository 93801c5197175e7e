# SPDX-License-Identifier: Apache-2.0
"""One route for all methods of a path, so that a refusal (405) names those that it has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]


def at(path: str, **endpoints: Endpoint) -> Route:
    """Return the route of a path: ``at("/v2.0/ports", GET=list, POST=create)``."""

    async def serve(request: Request) -> Response:
        # HEAD is GET without a body, which the server that we run in leaves out.
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, serve, methods=list(endpoints))
