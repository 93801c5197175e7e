# SPDX-License-Identifier: Apache-2.0
"""What every request passes before anything looks at it: pure ASGI, for agents' streams live long.

request --> Guarded: what goes wrong is logged, and answered as 500
        --> Bounded: a body is no longer than it may be, else 413
        --> Authenticated (authenticated.py): who asks
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from vxnet.server.api.answers import error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


log = logging.getLogger("vxnet-server")

MOST_BODY: Final = 2**20
"""Bytes of a body from people."""

MOST_AGENTS_BODY: Final = 2**26
"""Bytes of a body from an agent: it may say what a kernel holds of 50 000 ports."""


class Guarded:
    """Answers what nobody thought of, so that a client gets words, and the log the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.debug("%s %s: the client hung up", scope.get("method"), scope.get("path"))
        except Exception:
            log.exception("%s %s", scope.get("method"), scope.get("path"))
            if begun:
                raise
            await error(500, "The server failed; its log says how")(scope, receive, send)


class _TooLongError(Exception):
    """A body has more bytes than it may."""


class Bounded:
    """Refuses bodies that are too long, whether they say so or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MOST_AGENTS_BODY if scope["path"].startswith("/agent/") else MOST_BODY
        said = Headers(scope=scope).get("content-length", "0")
        got, begun = 0, False

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise _TooLongError
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        too_long = error(413, f"The body is longer than {most} bytes", headers={"Connection": "close"})
        if said.isdigit() and int(said) > most:
            await too_long(scope, receive, send)
            return
        try:
            await self._app(scope, counted, watched)
        except _TooLongError:
            if begun:
                raise
            await too_long(scope, receive, send)
