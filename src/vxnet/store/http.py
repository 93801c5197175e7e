# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 (RFC 9112) as far as etcd needs it: POST with a body, over connections that are kept.

    post    --> head, body                 <-- head, body by Content-Length or in chunks (section 7.1)
    stream  --> head, body                 <-- head, chunks as they come, without end

Every write asks etcd twice, and waits for it: a client for all of HTTP took 1.5 ms of CPU time for each question, and
this takes a tenth of that.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_MOST_KEPT = 64
_BLANK = b"\r\n\r\n"


class ConnectError(Exception):
    """Nobody takes the connection: nothing was sent. Says why."""


class BrokenError(Exception):
    """The connection broke off, or what came over it is no HTTP. What was sent may have been heard. Says why."""


class SilentError(BrokenError):
    """No word came in the time that was given."""


class Answer(NamedTuple):
    """What came for a request."""

    status: int
    content: bytes


class _Head(NamedTuple):
    status: int
    length: int | None
    """Bytes of the body; None: it comes in chunks."""
    stays: bool
    """Whether the connection can be used again."""


class Http:
    """Asks servers (HOST:PORT).

    ``connect``: seconds a server has to take a connection; ``patience``: to begin to answer, and then to end.
    """

    def __init__(self, headers: Mapping[str, str], *, connect: float, patience: float) -> None:
        """Connect when something is asked."""
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._connect = connect
        self._patience = patience
        self._kept: dict[str, list[_Connection]] = {}

    async def post(self, server: str, path: str, body: bytes) -> Answer:
        """Return the answer. ConnectError, BrokenError, SilentError."""
        connection = self._take(server) or await self._new(server)
        try:
            async with connection.within(self._patience):
                connection.send(self._request(server, path, body))
                head = await connection.head()
            async with connection.within(self._patience):
                content = await connection.body(head)
        except BaseException:  # cancelled as well: the answer may still come, and would be the next one's
            connection.close()
            raise
        if head.stays:
            self._keep(server, connection)
        else:
            connection.close()
        return Answer(head.status, content)

    @asynccontextmanager
    async def stream(self, server: str, path: str, body: bytes, idle: float) -> AsyncIterator[Stream]:
        """Ask, and yield the answer while it comes. ConnectError, BrokenError; SilentError after ``idle`` seconds."""
        connection = await self._new(server)
        try:
            async with connection.within(self._patience):
                connection.send(self._request(server, path, body))
                head = await connection.head()
            yield Stream(connection, head, idle)
        finally:
            connection.close()

    async def close(self) -> None:
        """End all connections that are kept."""
        kept, self._kept = self._kept, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def _request(self, server: str, path: str, body: bytes) -> bytes:
        head = f"POST {path} HTTP/1.1\r\nHost: {server}\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _take(self, server: str) -> _Connection | None:
        """Return a connection that is kept and, as far as one can know, still there."""
        kept = self._kept.get(server, [])
        while kept:
            connection = kept.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    def _keep(self, server: str, connection: _Connection) -> None:
        kept = self._kept.setdefault(server, [])
        if len(kept) < _MOST_KEPT:
            kept.append(connection)
        else:
            connection.close()

    async def _new(self, server: str) -> _Connection:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(self._connect):
                return _Connection(*await asyncio.open_connection(host.strip("[]"), int(port)))
        except TimeoutError:
            raise ConnectError(f"no connection in {self._connect:g} s") from None
        except OSError as error:
            raise ConnectError(_words(error)) from error


class Stream:
    """An answer that comes bit by bit. ``status`` is there at once."""

    def __init__(self, connection: _Connection, head: _Head, idle: float) -> None:
        self.status = head.status
        self._connection = connection
        self._head = head
        self._idle = idle

    async def all(self) -> bytes:
        """Return all of an answer that has an end."""
        async with self._connection.within(self._idle):
            return await self._connection.body(self._head)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what comes, until its end."""
        if self._head.length is not None:
            yield await self.all()
            return
        while True:
            async with self._connection.within(self._idle):
                chunk = await self._connection.chunk()
            if not chunk:
                return
            yield chunk


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def is_open(self) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing() and self._reader.exception() is None

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Turn whatever goes wrong, or takes longer, into an error that says so."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise SilentError(f"no answer in {seconds:g} s") from None
        except asyncio.IncompleteReadError as error:
            raise BrokenError("the connection was closed") from error
        except asyncio.LimitOverrunError as error:
            raise BrokenError("the answer is no HTTP") from error
        except ValueError as error:
            raise BrokenError(f"the answer is no HTTP: {error}") from error
        except OSError as error:
            raise BrokenError(_words(error)) from error

    def send(self, request: bytes) -> None:
        self._writer.write(request)

    async def head(self) -> _Head:
        """Read status and headers; what is said for now (100, 103) is passed over (RFC 9110, section 15.2)."""
        while True:
            lines = (await self._reader.readuntil(_BLANK)).decode("latin-1").split("\r\n")
            version, status = lines[0].split(" ", 2)[:2]
            if not version.startswith("HTTP/1."):
                raise ValueError(f"{version!r} is another version")
            if not status.startswith("1"):
                break
        fields: dict[str, str] = {}
        for line in filter(None, lines[1:]):
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip().lower()
        chunked = fields.get("transfer-encoding", "") == "chunked"
        length = None if chunked else int(fields.get("content-length", "0"))
        return _Head(int(status), length, "close" not in fields.get("connection", ""))

    async def body(self, head: _Head) -> bytes:
        if head.length is not None:
            return await self._reader.readexactly(head.length)
        chunks = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    async def chunk(self) -> bytes:
        """Read one chunk; the last one is empty, and what follows it (trailers) is passed over."""
        size = int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if size:
            return (await self._reader.readexactly(size + 2))[:-2]
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b""

    def close(self) -> None:
        self._writer.close()


def _words(error: OSError) -> str:
    """Return what went wrong, in the system's words: asyncio's have addresses in them."""
    return os.strerror(error.errno).lower() if error.errno else str(error).lower()
