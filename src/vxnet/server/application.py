# SPDX-License-Identifier: Apache-2.0
"""All that a server serves, put together, and how what goes wrong inside is told outside.

Bounded (no body of more than 1 MiB) --> Authenticated (who asks) --> routes: the API, agents
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from vxnet.cluster.commands.errors import ApiError
from vxnet.server.agents import Agents
from vxnet.server.api.answers import error, error_of
from vxnet.server.api.routes import routes
from vxnet.server.authenticated import Authenticated
from vxnet.server.bounded import Bounded
from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from vxnet.cluster.hub import Hub
    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.writing import Cluster
    from vxnet.server.beats import Beats
    from vxnet.server.identity import Identity
    from vxnet.server.settings import Settings

log = logging.getLogger("vxnet-server")


def application(
    cluster: Cluster, hub: Hub, beats: Beats, *, liveness: Liveness, identity: Identity, settings: Settings
) -> ASGIApp:
    """Return the application."""
    return Starlette(
        routes=[*routes(cluster, liveness, settings), *Agents(cluster, hub, beats).routes()],
        middleware=[Middleware(Bounded), Middleware(Authenticated, identity)],
        exception_handlers={
            ApiError: _refused,
            StoreError: _store_away,
            HTTPException: _as_http_has_it,
            Exception: _our_fault,
        },
    )


async def _refused(_: Request, failure: Exception) -> Response:
    return error_of(cast("ApiError", failure))


async def _store_away(_: Request, failure: Exception) -> Response:
    return error(503, "ServiceUnavailable", str(failure), {"Retry-After": "1"})


async def _as_http_has_it(request: Request, failure: Exception) -> Response:
    """Paths and methods that there are not."""
    status = cast("HTTPException", failure).status_code
    name = HTTPStatus(status).phrase
    headers = cast("HTTPException", failure).headers
    return error(
        status, f"HTTP{name.title().replace(' ', '')}", f"{request.method} {request.url.path}: {name}", headers
    )


async def _our_fault(request: Request, failure: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=failure)
    return error(500, "HTTPInternalServerError", "the server has a fault, and its log says which")
