# SPDX-License-Identifier: Apache-2.0
"""All that a server serves, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from vxnet.server.agents import Agents
from vxnet.server.authenticated import Authenticated

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from vxnet.cluster.hub import Hub
    from vxnet.cluster.writing import Cluster
    from vxnet.server.beats import Beats
    from vxnet.server.identity import Identity


def application(cluster: Cluster, hub: Hub, beats: Beats, identity: Identity) -> ASGIApp:
    """Return the application."""
    routes = Agents(cluster, hub, beats).routes()
    return Starlette(routes=routes, middleware=[Middleware(Authenticated, identity)])
