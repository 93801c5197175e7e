# SPDX-License-Identifier: Apache-2.0
"""No request is longer than 1 MiB: what is longer is refused before all of it is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vxnet.server.api.answers import error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 1 << 20
"""Bytes of a request's body."""


class _TooLongError(Exception):
    """More bytes came than there may be."""


class Bounded:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said) > MOST:
            await _REFUSAL(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST:
                raise _TooLongError
            return message

        try:
            await self._app(scope, counted, send)
        except _TooLongError:
            await _REFUSAL(scope, receive, send)


_REFUSAL = error(413, "HTTPRequestEntityTooLarge", f"a request has at most {MOST} bytes", {"Connection": "close"})
