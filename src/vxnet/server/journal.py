# SPDX-License-Identifier: Apache-2.0
"""One line of the log for each request that may change something: who, what, how it ended, how long it took.

    ana POST /v2.0/networks 201 12 ms

No body, no query, no header: there is nothing in a line that must not be in a log. Agents, who report every few
seconds, are left out.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("vxnet-server")

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Journal:
    """An ASGI application around the whole of another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and note it."""
        if scope["type"] != "http" or scope["method"] not in _CHANGING or scope["path"].startswith("/agent/"):
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500  # unless it says otherwise

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            caller = scope.get("state", {}).get("caller")
            # As it came, percent-encoded: no line break is in it.
            path = scope.get("raw_path", b"").decode("ascii", "backslashreplace").partition("?")[0]
            took = (time.monotonic() - began) * 1000
            log.info("%s %s %s %d %.0f ms", caller.name if caller else "-", scope["method"], path, status, took)
