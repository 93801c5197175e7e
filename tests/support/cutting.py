# SPDX-License-Identifier: Apache-2.0
"""A way to a server that can lose its answers: what is asked goes through, and what comes back may not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Cutting:
    """Forwards connections; ``address`` is where it takes them, HOST:PORT."""

    def __init__(self, to: str) -> None:
        """Forward to HOST:PORT."""
        self.address = ""
        self._host, _, self._port = to.partition(":")
        self._cut = False
        self._held: Callable[[], Awaitable[object]] | None = None

    def lose_next(self, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """Close the connection in place of the next answer, once something else was done meanwhile."""
        self._cut, self._held = True, meanwhile

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection, until one side has ended it."""
        to_reader, to_writer = await asyncio.open_connection(self._host, int(self._port))
        both = {asyncio.create_task(self._ask(reader, to_writer)), asyncio.create_task(self._answer(to_reader, writer))}
        _, rest = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for each in (writer, to_writer):
            each.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await _read(reader):
            writer.write(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await _read(reader):
            if self._cut:
                self._cut = False
                if self._held:
                    await self._held()
                return
            writer.write(data)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Return what comes next; nothing, when the connection is over."""
    with suppress(ConnectionError):
        return await reader.read(65536)
    return b""


@asynccontextmanager
async def cutting(to: str) -> AsyncIterator[Cutting]:
    """Open a way to HOST:PORT."""
    way = Cutting(to)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    way.address = f"{host}:{port}"
    async with server:
        yield way
