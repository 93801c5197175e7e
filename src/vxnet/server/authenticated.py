# SPDX-License-Identifier: Apache-2.0
"""Nobody is served who is not known: ``request.state.caller`` says who asks, or the answer is 401."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from vxnet.server.authentication import TooManyLogins, Unauthenticated
from vxnet.server.identity import CHALLENGE
from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from vxnet.server.identity import Identity


class Authenticated:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            caller = await self._identity.caller(Headers(scope=scope))
        except Unauthenticated as error:
            await _refusal(401, str(error))(scope, receive, send)
        except (TooManyLogins, StoreError) as error:
            await _refusal(503, str(error))(scope, receive, send)
        else:
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)


def _refusal(status: int, message: str) -> JSONResponse:
    headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else {"Retry-After": "5"}
    body = {"NeutronError": {"type": "HTTPUnauthorized" if status == 401 else "HTTPServiceUnavailable"}}
    body["NeutronError"] |= {"message": message, "detail": ""}
    return JSONResponse(body, status, headers)
