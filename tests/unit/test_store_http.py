# SPDX-License-Identifier: Apache-2.0
"""HTTP as etcd is asked by it, against servers on sockets that say what real ones may."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from vxnet.store.http import Answer, BrokenError, ConnectError, Http, SilentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Part = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def server(part: Part) -> AsyncIterator[str]:
    """Have a server on loopback that plays this part on each connection; yields HOST:PORT."""
    over = asyncio.Event()
    plays: list[asyncio.Task[None]] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await part(reader, writer)
            if not writer.is_closing():
                await over.wait()
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plays.append(asyncio.create_task(play(reader, writer)))

    listening = await asyncio.start_server(begin, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        over.set()
        listening.close()
        await asyncio.gather(*plays, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next round


async def request(reader: asyncio.StreamReader) -> bytes:
    """Return the body of the next request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


def saying(*answers: bytes) -> Part:
    """Answer one request after the other so, then read no more."""

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request(reader)
            writer.write(answer)

    return part


def http(patience: float = 5.0) -> Http:
    """A client."""
    return Http({"Content-Type": "application/json"}, connect=5.0, patience=patience)


def asked(answer: bytes, patience: float = 5.0) -> Answer:
    """Return what comes of one request that is answered so."""

    async def ask() -> Answer:
        client = http(patience)
        async with server(saying(answer)) as there:
            try:
                return await client.post(there, "/v3/kv/range", b"{}")
            finally:
                await client.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nhe\r\n3;last=1\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    ],
    ids=["length", "chunks", "continue"],
)
def test_bodies(answer: bytes) -> None:
    """A body has the length that is said, or comes in chunks; what is said for now is no answer."""
    assert asked(answer) == Answer(200, b"hello")


def test_errors_are_answers() -> None:
    """What another status means, who asks decides."""
    assert asked(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy") == Answer(503, b"busy")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is no HTTP"),
        (b"HTTP/2 200\r\n\r\n", "the answer is no HTTP: 'HTTP/2'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n", "the answer is no HTTP"),
    ],
)
def test_no_http(answer: bytes, words: str) -> None:
    """What is no HTTP/1 is an error that says so."""
    with pytest.raises(BrokenError, match=words):
        asked(answer)


def test_silence() -> None:
    """A server that takes the request and says nothing, or not all, has heard it perhaps."""
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"):
        with pytest.raises(SilentError, match=r"no answer in 0\.05 s"):
            asked(answer, patience=0.05)


def test_cut_off() -> None:
    """A connection that ends before the answer does: whether it was heard is not known."""

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        writer.close()

    async def ask() -> None:
        async with server(part) as there:
            await http().post(there, "/", b"")

    with pytest.raises(BrokenError, match="the connection was closed"):
        asyncio.run(ask())


def test_nobody_there() -> None:
    """Where nobody listens nothing was sent, and that is another error."""

    async def ask() -> None:
        async with server(saying(FINE)) as there:
            pass
        await http().post(there, "/", b"")

    with pytest.raises(ConnectError, match="connection refused"):
        asyncio.run(ask())


def test_connections_are_kept() -> None:
    """One after the other goes over one connection; one that was closed meanwhile is not used, and nothing fails."""
    connections: list[int] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        await saying(FINE, FINE)(reader, writer)
        writer.close()

    async def ask() -> None:
        client = http()
        async with server(part) as there:
            for _ in range(4):
                assert await client.post(there, "/", b"{}") == Answer(200, b"{}")
                await asyncio.sleep(0.02)  # the server's end may have closed
        await client.close()

    asyncio.run(ask())
    assert connections == [0, 1]


def test_an_answer_is_never_anothers() -> None:
    """Who gives up waiting takes the connection along: the answer that comes late must not be the next one's."""
    heard = asyncio.Event()

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await request(reader)
        heard.set()
        if body == b"slow":
            await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    async def ask() -> Answer:
        client = http()
        async with server(part) as there:
            slow = asyncio.create_task(client.post(there, "/", b"slow"))
            await heard.wait()
            slow.cancel()
            await asyncio.wait([slow])
            assert slow.cancelled()
            return await client.post(there, "/", b"fast")

    assert asyncio.run(ask()) == Answer(200, b"fast")


def test_streams() -> None:
    """What is said over time comes as it is said; then there is silence, which is told from an end."""

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"1\r\nb\r\n")

    heard: list[bytes] = []

    async def listen() -> None:
        async with server(part) as there, http().stream(there, "/v3/watch", b"{}", 0.2) as stream:
            assert stream.status == 200
            async for chunk in stream.chunks():
                heard.append(chunk)  # noqa: PERF401  (what comes before the error counts)

    with pytest.raises(SilentError):
        asyncio.run(listen())
    assert heard == [b"a", b"b"]
