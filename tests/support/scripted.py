# SPDX-License-Identifier: Apache-2.0
"""A server for agents that does what a test says, over real HTTP: each stream follows the next of its scripts.

A script is a list of chunks of bytes, and of what else happens:
    HANG     nothing more comes, and the connection stays
    CUT      the connection breaks off
    a number the answer has this status instead
The last script is used for all further streams.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from vxnet.cluster.messages import Held, Report
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from starlette.requests import Request

HANG: Final = "hang"
CUT: Final = "cut"
Script = list["bytes | str | int"]


class Scripted:
    """What it was asked is in ``asked`` (query), ``tokens``, ``reports`` and ``answers``, in order."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._scripts = list(scripts)
        self.asked: list[dict[str, str]] = []
        self.tokens: list[str] = []
        self.reports: list[Report] = []
        self.answers: dict[str, Held] = {}
        self.url = ""
        self.application = Starlette(
            routes=[
                Route("/agent/v1/h1/stream", self._stream),
                Route("/agent/v1/h1/report", self._report, methods=["PUT"]),
                Route("/agent/v1/h1/audits/{question}", self._answer, methods=["PUT"]),
            ]
        )

    async def _stream(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        self.tokens.append(request.headers.get("Authorization", ""))
        script = self._scripts[min(len(self.asked), len(self._scripts)) - 1]
        if script and isinstance(script[0], int):
            return JSONResponse({"NeutronError": {"message": "not in these words"}}, script[0])
        return StreamingResponse(_lines(script), media_type="application/x-ndjson")

    async def _report(self, request: Request) -> Response:
        self.reports.append(msgspec.json.decode(await request.body(), type=Report))
        return Response(status_code=204)

    async def _answer(self, request: Request) -> Response:
        self.answers[request.path_params["question"]] = msgspec.json.decode(await request.body(), type=Held)
        return Response(status_code=204)


async def _lines(script: Script) -> AsyncIterator[bytes]:
    for step in script:
        if step == HANG:
            await asyncio.sleep(3600)
        elif step == CUT:
            message = "cut, as the test asks"
            raise ConnectionError(message)
        elif isinstance(step, bytes):
            yield step
            await asyncio.sleep(0.01)  # so that chunks are not put together


@contextmanager
def scripted(*scripts: Script, certificate: Path | None = None) -> Iterator[Scripted]:
    """Serve these scripts; with a ``certificate``, whose key is beside it in .key, over TLS."""
    server = Scripted(scripts)
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate.with_suffix(".key"))} if certificate else {}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(server.application, log_config=None, log_level="critical", lifespan="off", **tls)  # type: ignore[arg-type]
        http = uvicorn.Server(config)
        thread = threading.Thread(target=http.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        wait_until(lambda: http.started, what="the server to listen")
        scheme = "https" if certificate else "http"
        server.url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield server
        finally:
            http.should_exit = http.force_exit = True
            thread.join(10)


@contextmanager
def nobody() -> Iterator[str]:
    """The URL of a server that is not there: its port is kept from others, and nobody listens."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"
