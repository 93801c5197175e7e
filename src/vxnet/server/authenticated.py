# SPDX-License-Identifier: Apache-2.0
"""Nobody is served who is not known: ``request.state.caller`` says who asks, or the answer is 401.

But for the root, which says which versions of the API there are: clients ask it before they say who they are. An agent
is served what agents ask for, and nobody else is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from vxnet.cluster.caller import TooManyLoginsError, UnauthenticatedError
from vxnet.server.api.answers import error
from vxnet.server.identity import CHALLENGE
from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from vxnet.server.identity import Identity


_OPEN = frozenset({"/"})


class Authenticated:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._identity.caller(Headers(scope=scope))
        except UnauthenticatedError as failure:
            refusal = error(401, str(failure), headers={"WWW-Authenticate": CHALLENGE})
            await refusal(scope, receive, send)
        except (TooManyLoginsError, StoreError) as failure:
            refusal = error(503, str(failure), headers={"Retry-After": "5"})
            await refusal(scope, receive, send)
        else:
            if caller.host and not scope["path"].startswith("/agent/"):
                refusal = error(
                    403, f"the agent of host {caller.host} asks for nothing but its own", "PolicyNotAuthorized"
                )
                await refusal(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)
