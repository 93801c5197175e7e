# SPDX-License-Identifier: Apache-2.0
"""The agent's end of the wire: messages in, reports out, to whichever server answers.

    1. GET the stream, from the revision that the view has
    2. each line is a message; a server that says nothing for 6 s is gone
    3. cut: another server, after a pause that doubles, and of which a random part is waited

Whatever happens here, the host goes on forwarding what it was told last.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from typing import TYPE_CHECKING, Final

import httpx
import msgspec

from vxnet.cluster.messages import DECODER
from vxnet.errors import ConfigError
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from vxnet.cluster.messages import Held, Message, Report
    from vxnet.sources.cluster.view import View

log = logging.getLogger("vxnet-agent")

SILENCE: Final = 6.0
"""Seconds without a line after which a server is taken for gone: it sends a Tick every 2.

They are to hear of this host before it counts for dead: it does after 20 s (cluster/liveness.py), of which up to 10 may
have passed when its server stands still, as reports and heartbeats each take 5.
"""

REPORT: Final = 5.0
"""Seconds that a server has to take a report; then the next one is due, perhaps at another server."""

_CONNECT = 5.0
_LEAST_PAUSE, _MOST_PAUSE = 0.2, 15.0
_REFUSED = frozenset({401, 403})


class Servers:
    """The servers of a cluster, as the agent of ``host`` talks to them: one at a time, the next when it fails."""

    def __init__(self, urls: Sequence[str], host: str, token_file: Path | None, ca_file: Path | None = None) -> None:
        """``urls`` are tried in turn. ConfigError if the token or the certificates cannot be read."""
        self._urls = list(urls)
        self._host = host
        self._token_file = token_file
        self._at = random.randrange(len(self._urls))  # noqa: S311  (spreads the agents)
        self.trouble = ""
        """Why no server is heard, "" if one is."""
        self._client = httpx.AsyncClient(
            verify=_trusted(ca_file),
            timeout=httpx.Timeout(_CONNECT, read=SILENCE),
            headers={"Accept": "application/x-ndjson"},
            trust_env=False,  # the servers are reached straight, whatever a proxy is there for
        )
        self._read_token()

    @property
    def url(self) -> str:
        """The server that is talked to now."""
        return self._urls[self._at]

    async def messages(self, view: View) -> AsyncIterator[Message]:
        """Yield what is said, without end. ``view`` tells how far it has been heard, and must be kept so."""
        pause = _LEAST_PAUSE
        while True:
            try:
                async for message in self._listen(view):
                    if self.trouble:
                        log.info("%s: connected", self.url)
                    self.trouble, pause = "", _LEAST_PAUSE
                    yield message
                self._failed("the stream ended")
            except (httpx.HTTPError, _RefusedError, *UNDECODABLE) as error:
                self._failed(str(error) or type(error).__name__)
                if isinstance(error, _RefusedError):
                    pause = _MOST_PAUSE
                    self._renew_token()
            await asyncio.sleep(pause * random.random())  # noqa: S311  (jitter)
            pause = min(2 * pause, _MOST_PAUSE)
            self._at = (self._at + 1) % len(self._urls)

    async def report(self, report: Report) -> bool:
        """Send a report to the server that is heard; return whether it took it."""
        return await self._put("report", report, REPORT)

    async def answer(self, question: str, held: Held) -> bool:
        """Answer an audit; return whether the server took it."""
        return await self._put(f"audits/{question}", held, SILENCE)

    async def close(self) -> None:
        """Let go."""
        await self._client.aclose()

    async def _listen(self, view: View) -> AsyncIterator[Message]:
        parameters = {"incarnation": view.incarnation, "after": str(view.revision)}
        async with self._client.stream("GET", self._path("stream"), params=parameters, headers=self._headers) as answer:
            if answer.is_error:
                await answer.aread()
                raise _RefusedError.of(answer) if answer.status_code in _REFUSED else _told(answer)
            begun: list[bytes] = []
            async for chunk in answer.aiter_raw():
                begun.append(chunk)
                if b"\n" in chunk:  # a line may be as long as all that a host is told at once
                    *lines, rest = b"".join(begun).split(b"\n")
                    begun = [rest]
                    for line in lines:
                        yield DECODER.decode(line)

    async def _put(self, what: str, value: Report | Held, patience: float) -> bool:
        try:
            body = msgspec.json.encode(value)
            answer = await self._client.put(self._path(what), content=body, headers=self._headers, timeout=patience)
        except httpx.HTTPError as error:
            self._failed(str(error) or type(error).__name__)
            return False
        if answer.is_error:
            self._failed(str(_told(answer)))
        return answer.is_success

    def _path(self, what: str) -> str:
        return f"{self.url}/agent/v1/{self._host}/{what}"

    def _failed(self, why: str) -> None:
        """Say why the server does not serve, once for each reason."""
        trouble = f"{self.url}: {why}"
        if trouble != self.trouble:
            log.warning("%s; this host goes on as it is", trouble)
        self.trouble = trouble

    def _renew_token(self) -> None:
        try:
            self._read_token()
        except ConfigError as error:
            log.warning("%s", error)

    def _read_token(self) -> None:
        """Read the token, which may have been replaced. ConfigError if it cannot be read."""
        token = ""
        if self._token_file:
            try:
                token = self._token_file.read_text("ascii").partition("\n")[0].strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "holds no token"
                if isinstance(error, PermissionError):  # daemon/privileges.py
                    why = f"{why}; the agent reads what is root's own: `chown root: {self._token_file}`"
                raise ConfigError(f"--token-file {self._token_file}: {why}") from error
            if not token.isprintable() or not token:
                raise ConfigError(
                    f"--token-file {self._token_file}: its first line is no token; "
                    "`vxnet cluster agent-token HOST` prints one"
                )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Return whose certificates are trusted: the system's, or those of a file. ConfigError if it cannot be read."""
    if ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise ConfigError(f"--ca-file {ca_file}: has no certificate in PEM") from error
    except OSError as error:
        raise ConfigError(f"--ca-file {ca_file}: {error.strerror}") from error


class _RefusedError(Exception):
    """The server does not take this token."""

    @classmethod
    def of(cls, answer: httpx.Response) -> _RefusedError:
        return cls(f"{_words(answer)}; `vxnet cluster agent-token HOST` makes a token for --token-file")


def _told(answer: httpx.Response) -> httpx.HTTPError:
    return httpx.HTTPError(_words(answer))


def _words(answer: httpx.Response) -> str:
    """Return what the server says of an error, in its own words if there are any."""
    try:
        said = msgspec.json.decode(answer.content)["NeutronError"]["message"]
    except (KeyError, TypeError, *UNDECODABLE):
        said = answer.reason_phrase
    return f"{answer.status_code}: {said}"
