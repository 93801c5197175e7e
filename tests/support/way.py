# SPDX-License-Identifier: Apache-2.0
"""A way to a server that is watched, and can be cut: what agents ask for on it, and what they are told.

agent -- :9700 [ Way ] -- :9696 server
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from vxnet.lab.node import Node

_STREAM = re.compile(rb"GET /agent/v1/([^/]+)/stream\?incarnation=([^&]*)&after=(\d+) ")


class Stream:
    """A stream that an agent asked for: of which ``host``, ``after`` which revision, and what was ``said``, as sent."""

    def __init__(self, host: str, after: int) -> None:
        self.host = host
        self.after = after
        self.said = bytearray()

    @property
    def is_whole(self) -> bool:
        """Whether the agent was told everything anew."""
        return b'{"type":"snapshot"' in self.said


class Way:
    """Forwards connections to HOST:PORT from another port of the same host; used as a context manager."""

    def __init__(self, node: Node, host: str, port: int, to: int) -> None:
        """Be on ``node``, at ``port``."""
        self.url = f"http://{host}:{port}"
        self.streams: list[Stream] = []
        self.in_vain = 0
        """How many connections came while the server was away."""
        self._node = node
        self._at, self._to = (host, port), (host, to)
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None

    def cut(self) -> None:
        """End all connections at once, and each that comes."""

        def do() -> None:
            self._is_cut = True
            for writer in self._open:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(do)

    def mend(self) -> None:
        """Let connections through again."""

        def do() -> None:
            self._is_cut = False

        self._loop.call_soon_threadsafe(do)

    def __enter__(self) -> Self:
        with self._node.enter():
            sock = socket.create_server(self._at)
            self._thread.start()  # it is there, and stays
        begun = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, sock=sock), self._loop)
        self._server = begun.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        if self._server:
            self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection, until one side has ended it."""
        self._open.add(writer)
        try:
            if self._is_cut:
                return
            back, forth = await asyncio.open_connection(*self._to)
            self._open.add(forth)
            heard: list[Stream] = []
            try:
                both = {
                    asyncio.create_task(self._ask(reader, forth, heard)),
                    asyncio.create_task(self._answer(back, writer, heard)),
                }
                _, rest = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in rest:
                    task.cancel()
            finally:
                self._open.discard(forth)
                forth.transport.abort()
        except ConnectionError:
            self.in_vain += 1
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[Stream]) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                for host, _, after in _STREAM.findall(data):
                    heard[:] = [Stream(host.decode(), int(after))]
                    self.streams += heard
                writer.write(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[Stream]) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                for stream in heard:
                    stream.said += data
                writer.write(data)
                await writer.drain()
