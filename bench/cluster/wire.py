# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 (RFC 9112) to our own server, with as little around it as can be: a client that waits measures itself.

Client      one connection, kept; a request is sent and its answer read, or read later
Listener    one agent's stream: chunks in, lines out
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.errors import LabError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

PATIENCE = 60.0
"""Seconds that an answer may take."""


def request(method: str, path: str, token: str, body: object = None) -> bytes:
    """Return the bytes of a request with a JSON body, or with none."""
    content = b"" if body is None else msgspec.json.encode(body)
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: bench",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + content


class Client:
    """One connection to the server at ``url``, as whoever has ``token``. Made where the caller's thread is."""

    def __init__(self, url: str, token: str) -> None:
        """Connect."""
        self._socket = socket.create_connection(_place(url), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = token
        self._rest = b""

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  (JSON)
        """Send a request and return what its answer says. LabError unless that is fine."""
        self.send(method, path, body)
        return self.answer()

    def send(self, method: str, path: str, body: object = None) -> None:
        """Send a request. Its answer is to be read before the next one is sent."""
        self._socket.sendall(request(method, path, self._token, body))

    def answer(self) -> Any:  # noqa: ANN401  (JSON)
        """Return what the answer says. LabError unless that is fine."""
        while b"\r\n\r\n" not in self._rest:
            self._read()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        length = _length(head)
        while len(self._rest) < length:
            self._read()
        content, self._rest = self._rest[:length], self._rest[length:]
        _fine(head, content)
        return msgspec.json.decode(content) if content else None

    def fileno(self) -> int:
        """Return what can be waited for by select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Let go."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise LabError("the server has closed the connection")
        self._rest += data


class Listener:
    """The stream of one host's agent. ``reports``: another connection, kept, for what the agent says."""

    def __init__(self, url: str, host: str, token: str) -> None:
        self._place = _place(url)
        self._host = host
        self._token = token
        self._reporting = asyncio.Lock()
        self._reports: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield each line of the stream, from its beginning."""
        reader, writer = await asyncio.open_connection(*self._place, limit=1 << 26)
        try:
            writer.write(request("GET", f"/agent/v1/{self._host}/stream?incarnation=&after=0", self._token))
            head = await reader.readuntil(b"\r\n\r\n")
            _fine(head, b"")
            rest = b""
            while size := int(await reader.readline(), 16):
                chunk = await reader.readexactly(size + 2)
                *lines, rest = (rest + chunk[:-2]).split(b"\n")
                for line in lines:
                    yield line
        finally:
            writer.close()

    async def report(self, report: object) -> None:
        """Say what the host is. LabError if the server does not take it."""
        async with self._reporting:
            if self._reports is None:
                self._reports = await asyncio.open_connection(*self._place)
            reader, writer = self._reports
            writer.write(request("PUT", f"/agent/v1/{self._host}/report", self._token, report))
            head = await reader.readuntil(b"\r\n\r\n")
            _fine(head, await reader.readexactly(_length(head)))

    def close(self) -> None:
        """Let go of the connection for reports."""
        if self._reports:
            self._reports[1].close()
            self._reports = None


def _place(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _fine(head: bytes, content: bytes) -> None:
    if head.split(b" ", 2)[1][:1] != b"2":
        first = head.partition(b"\r\n")[0].decode()
        raise LabError(f"the server says: {first}: {content[:500].decode(errors='replace')}")
