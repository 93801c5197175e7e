# SPDX-License-Identifier: Apache-2.0
"""The server's application: the OpenStack Networking API, and what else is served beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from vxnet.cluster.commands.errors import RefusedError
from vxnet.server.api.answers import not_served, refused, store_away
from vxnet.server.api.routes import routes
from vxnet.server.authenticated import Authenticated
from vxnet.server.front import Bounded, Guarded
from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.writing import Cluster
    from vxnet.server.identity import Identity
    from vxnet.server.settings import Settings


def create_app(
    cluster: Cluster,
    liveness: Liveness,
    identity: Identity,
    settings: Settings,
    more_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the application. ``more_routes``: what is served besides the API, also to callers that are known."""
    app = Starlette(
        routes=[*routes(cluster, liveness, settings), *more_routes],
        middleware=[Middleware(Guarded), Middleware(Bounded), Middleware(Authenticated, identity)],
        exception_handlers={RefusedError: refused, StoreError: store_away, HTTPException: not_served},
    )
    app.router.redirect_slashes = False  # a redirect would lose the body, and clients ask for what they mean
    return app
