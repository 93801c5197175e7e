# SPDX-License-Identifier: Apache-2.0
"""The agent's end of the wire, against real HTTP servers that break off, fall silent, refuse and talk nonsense."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.scripted import CUT, HANG, nobody, scripted
from vxnet.cluster.messages import Held, PortGone, Report, SegmentGone, Snapshot, Tick, encode
from vxnet.errors import ConfigError
from vxnet.sources.cluster import stream
from vxnet.sources.cluster.stream import Servers
from vxnet.sources.cluster.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from vxnet.cluster.messages import Message

BEGINNING = encode(Snapshot("one", 5, ()))
REPORT = Report(revision=5, local="192.0.2.1", underlay_mtu=1500, version="0", started_at="", active=("p1",))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than an agent does, and begin with the first server."""
    monkeypatch.setattr(stream, "SILENCE", 0.5)
    monkeypatch.setattr(stream, "_LEAST_PAUSE", 0.01)
    monkeypatch.setattr(stream, "_MOST_PAUSE", 0.05)
    monkeypatch.setattr("vxnet.sources.cluster.stream.random.randrange", lambda _: 0)


async def listen(servers: Servers, view: View, count: int) -> list[Message]:
    """Return the next messages, as many, with the view kept as an agent keeps it."""
    heard: list[Message] = []
    async with asyncio.timeout(20), aclosing(cast("AsyncGenerator[Message]", servers.messages(view))) as messages:
        async for message in messages:
            view.apply(message)
            heard.append(message)
            if len(heard) == count:
                break
    return heard


def heard(count: int, *urls: str, view: View | None = None, **settings: Any) -> list[Message]:
    """Return the first messages that an agent hears of these servers."""

    async def main() -> list[Message]:
        servers = Servers(urls, "h1", settings.pop("token_file", None), **settings)
        try:
            return await listen(servers, view or View(), count)
        finally:
            await servers.close()

    return asyncio.run(main())


def test_lines_may_come_in_pieces() -> None:
    """Where one chunk ends has nothing to do with where a line does."""
    lines = BEGINNING + encode(PortGone(6, "n1", "p1")) + encode(Tick(6))
    pieces: list[bytes | str | int] = [lines[at : at + 7] for at in range(0, len(lines), 7)]
    with scripted([*pieces, HANG]) as server:
        assert heard(3, server.url) == [Snapshot("one", 5, ()), PortGone(6, "n1", "p1"), Tick(6)]
    with scripted([lines, HANG]) as server:
        assert len(heard(3, server.url)) == 3


def test_a_cut_goes_on_where_all_was_heard() -> None:
    """The next request names the store, and the revision up to which nothing is missing."""
    half = encode(SegmentGone(9, "n1"))
    with scripted([BEGINNING, encode(Tick(7)), half, half[:10], CUT], [encode(Tick(9)), HANG]) as server:
        assert [type(message) for message in heard(4, server.url)] == [Snapshot, Tick, SegmentGone, Tick]
    # Of revision 9 there may have been more to come.
    assert server.asked == [{"incarnation": "", "after": "0"}, {"incarnation": "one", "after": "8"}]


def test_a_stream_that_ends_is_a_cut() -> None:
    """A server that ends, in order, is followed by the next."""
    with scripted([BEGINNING]) as one, scripted([encode(Tick(6)), HANG]) as two:
        heard(2, one.url, two.url)
    assert two.asked == [{"incarnation": "one", "after": "5"}]


def test_a_server_that_is_not_there_is_passed_over() -> None:
    """Any server named will do."""
    with nobody() as dead, scripted([BEGINNING, HANG]) as server:
        assert heard(1, dead, server.url) == [Snapshot("one", 5, ())]


def test_a_silent_server_is_left() -> None:
    """One that keeps the connection and says nothing, not even that it lives, is gone."""
    with scripted([BEGINNING, HANG]) as silent, scripted([encode(Tick(6)), HANG]) as server:
        assert heard(2, silent.url, server.url)[1] == Tick(6)


def test_one_that_takes_connections_and_never_answers_is_left() -> None:
    """A process that hangs, its kernel still answering for it, is gone too."""
    with socket.create_server(("127.0.0.1", 0)) as hung, scripted([BEGINNING, HANG]) as server:
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        assert heard(1, url, server.url) == [Snapshot("one", 5, ())]


@pytest.mark.parametrize(
    "line",
    [b'{"type": "dance"}\n', b'{"type":"audit","id":"\xff"}\n', b'{"type":"tick","x":' + b"[" * 2000 + b"\n"],
    ids=["unknown", "not UTF-8", "deep"],
)
def test_nonsense_is_a_cut(line: bytes) -> None:
    """A line that is no message ends the stream; what was heard before stays heard."""
    with scripted([BEGINNING, line, HANG], [encode(Tick(6)), HANG]) as server:
        assert heard(2, server.url)[1] == Tick(6)
    assert server.asked[1]["after"] == "5"


def test_a_server_in_trouble_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """What it says of its trouble is said on, once, however often it is tried."""
    caplog.set_level(logging.INFO)
    with scripted([503], [503], [503], [BEGINNING, HANG]) as server:
        heard(1, server.url)
    told = [record.message for record in caplog.records if record.name == "vxnet-agent"]
    assert told == [
        f"{server.url}: 503: not in these words; this host goes on as it is",
        f"{server.url}: connected",
    ]


def test_a_refused_token_is_read_anew(tmp_path: Path) -> None:
    """Who is refused looks whether there is another token by now: its file's whole first line."""
    file = tmp_path / "token"
    file.write_text("old one\nand a comment\n")

    async def main(url: str) -> None:
        servers = Servers([url], "h1", file)
        file.write_text("new")
        await listen(servers, View(), 1)
        assert servers.trouble == ""
        await servers.close()

    with scripted([401], [BEGINNING, HANG]) as server:
        asyncio.run(main(server.url))
    assert server.tokens == ["Bearer old one", "Bearer new"]


def test_a_token_file_that_is_gone_is_no_end(tmp_path: Path) -> None:
    """The token that was read before is used until there is another."""
    file = tmp_path / "token"
    file.write_text("old\n")

    async def main(url: str) -> None:
        servers = Servers([url], "h1", file)
        file.unlink()
        await listen(servers, View(), 1)
        await servers.close()

    with scripted([403], [BEGINNING, HANG]) as server:
        asyncio.run(main(server.url))
    assert server.tokens == ["Bearer old", "Bearer old"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "its first line is no token"),
        (b"\nsecret\n", "its first line is no token"),
        (b"\xff\xfe", "holds no token"),
    ],
)
def test_a_token_file_without_a_token(tmp_path: Path, content: bytes | None, why: str) -> None:
    """It is said before anything is done, and without what is in it."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=why) as failure:
        Servers(["http://127.0.0.1"], "h1", file)
    assert str(file) in str(failure.value)
    assert "secret" not in str(failure.value)


def test_reports_and_answers_arrive() -> None:
    """They go to the server that is heard, as they are."""
    held = Held(revision=5, local="192.0.2.1", segments=(), waiting=("p2",))

    async def main(*urls: str) -> None:
        servers = Servers(urls, "h1", None)
        await listen(servers, View(), 1)
        assert await servers.report(REPORT)
        assert await servers.answer("q1", held)
        await servers.close()

    with nobody() as dead, scripted([BEGINNING, HANG]) as server:
        asyncio.run(main(dead, server.url))
    assert server.reports == [REPORT]
    assert server.answers == {"q1": held}


def test_a_report_that_nobody_takes() -> None:
    """It is said to whoever reports, and is no end."""

    async def main(url: str) -> None:
        servers = Servers([url], "h1", None)
        assert not await servers.report(REPORT)
        assert servers.trouble.startswith(url)
        await servers.close()

    with nobody() as dead:
        asyncio.run(main(dead))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    path = tmp_path / "server.crt"
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-days", "2", "-subj", "/CN=vxnet", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-out", str(path), "-keyout", str(path.with_suffix(".key")))
    subprocess.run((*words, *names, *files), check=True, capture_output=True)
    return path


def test_tls(certificate: Path) -> None:
    """A server is heard whose certificate one of the authorities given has signed, and no other one."""
    with scripted([BEGINNING, HANG], certificate=certificate) as server:
        assert heard(1, server.url, ca_file=certificate) == [Snapshot("one", 5, ())]
        with scripted([BEGINNING, HANG]) as plain:
            heard(1, server.url, plain.url)
    assert (len(server.asked), len(plain.asked)) == (1, 1)


def test_a_file_of_authorities_that_has_none(tmp_path: Path) -> None:
    """It is said before anything is done."""
    with pytest.raises(ConfigError, match="No such file"):
        Servers(["https://127.0.0.1"], "h1", None, tmp_path / "none")
    (tmp_path / "ca").write_text("nothing\n")
    with pytest.raises(ConfigError, match="no certificate"):
        Servers(["https://127.0.0.1"], "h1", None, tmp_path / "ca")
