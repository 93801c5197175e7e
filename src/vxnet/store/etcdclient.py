# SPDX-License-Identifier: Apache-2.0
r"""Asking etcd over its JSON gateway, at whichever member answers.

    call(path, request) --> POST http://MEMBER/v3/...      --> {"header": ..., ...}    or {"error": ..., "code": ...}
    watch(request)      --> POST http://MEMBER/v3/watch    --> {"result": {...}}\n{"result": {...}}\n...

The gateway is etcd's gRPC in JSON (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/): keys and values in base64,
64-bit numbers as texts, what is zero or empty left out; msgspec reads and writes all three by the types below.

Every request says that it wants a member that knows a leader (``hasleader``, as etcd's own clients can): one that is
cut off from the others answers so, and ends its watches, in place of silence.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx
import msgspec

from vxnet.store.base import StoreError
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds to look for a member that answers: a new leader needs one or two."""

ATTEMPT = 3.0
"""Seconds that one member has to answer."""

CONNECT = 1.0
"""Seconds that one member has to take a connection."""

IDLE = 5.0
"""Seconds without a word until a watch is asked for anew: its connection may be dead, and nobody would say so."""

_PAUSE = 0.05
"""Seconds to wait when all members were asked in vain."""

_HEADERS = {"Content-Type": "application/json", "Grpc-Metadata-Hasleader": "true"}

_GRPC_NOT_NOW = frozenset({1, 2, 4, 13, 14})
"""CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE: another member may do better.

(https://grpc.github.io/grpc/core/md_doc_statuscodes.html)
"""

_CURES = {
    "database space exceeded": "; compact and defragment it, then: etcdctl alarm disarm",
    "user name is empty": "; it asks for users, which is not supported: etcdctl auth disable",
    "request is too large": "; let it take more: etcd --max-request-bytes",
    "too many operations": "; let it take 128: etcd --max-txn-ops",
}


class Header(msgspec.Struct, frozen=True):
    """What is in every answer: the revision of the whole etcd."""

    revision: int = 0


class KeyValue(msgspec.Struct, frozen=True):
    """A key as it stands; in an event of a deletion, only its name and when."""

    key: bytes = b""
    value: bytes = b""
    mod_revision: int = 0


class Range(msgspec.Struct, frozen=True):
    """The answer of /v3/kv/range."""

    header: Header
    kvs: tuple[KeyValue, ...] = ()
    more: bool = False


class Operation(msgspec.Struct, frozen=True):
    """One part of the answer of a transaction; None: it was no range."""

    response_range: Range | None = None


class Txn(msgspec.Struct, frozen=True):
    """The answer of /v3/kv/txn."""

    header: Header
    succeeded: bool = False
    responses: tuple[Operation, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """One key that was changed."""

    kv: KeyValue
    type: Literal["PUT", "DELETE"] = "PUT"


class Watch(msgspec.Struct, frozen=True):
    """One message of a watch."""

    header: Header
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    events: tuple[Event, ...] = ()


class Failure(msgspec.Struct, frozen=True):
    """What the gateway says in place of an answer; ``code`` is gRPC's."""

    message: str = ""
    code: int = 0
    grpc_code: int = 0


class Message(msgspec.Struct, frozen=True):
    """The frame around each message of a watch."""

    result: Watch | None = None
    error: Failure | None = None


class UncertainError(StoreError):
    """The request was sent, and no answer came: whether it was carried out is not known."""


class RefusedError(StoreError):
    """Etcd's answer is an error that no other member would spare us."""


class EtcdClient:
    """Asks the ``members`` (HOST:PORT), one after another until one answers; ``name`` is what errors begin with."""

    def __init__(self, name: str, members: list[str]) -> None:
        """Connect when something is asked."""
        self.name = name
        self._members = members
        self._current = 0
        timeout = httpx.Timeout(ATTEMPT, connect=CONNECT)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        # There is no TLS: an empty context spares reading all certificates. A proxy for the web is none for etcd.
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.AsyncClient(headers=_HEADERS, timeout=timeout, limits=limits, verify=tls, trust_env=False)

    async def call(self, path: str, request: dict[str, Any], kind: type[T], *, once: bool = False) -> T:
        """Return the answer to a request.

        UncertainError if it is to be sent ``once`` and no answer came; without ``once`` it is sent until one comes.
        RefusedError if etcd says no; StoreError if no member answers for `PATIENCE` seconds.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + PATIENCE
        attempt = 0
        while True:
            member = self._members[self._current]
            attempt += 1
            try:
                return await self._ask(member, path, request, kind)
            except UncertainError as error:
                self.leave(member)
                if once or clock() > deadline:
                    raise
                failed: StoreError = error
            except RefusedError:
                raise
            except StoreError as error:
                self.leave(member)
                failed = error
            if clock() > deadline:
                raise failed
            if attempt % len(self._members) == 0:
                await asyncio.sleep(_PAUSE)

    @asynccontextmanager
    async def watch(self, request: dict[str, Any]) -> AsyncIterator[AsyncIterator[Watch]]:
        """Begin a watch at one member. Yields its messages, which end when nothing was said for `IDLE` seconds.

        StoreError, at any time, when that member is away; the next watch is at another.
        """
        member = self._members[self._current]
        timeout = httpx.Timeout(ATTEMPT, connect=CONNECT, read=IDLE)
        body = msgspec.json.encode({"create_request": request})
        try:
            async with self._http.stream(
                "POST", f"http://{member}/v3/watch", content=body, timeout=timeout
            ) as response:
                if not response.is_success:
                    raise self._error(response.status_code, await response.aread())
                async with aclosing(self._messages(response)) as messages:
                    yield messages
        except (httpx.TransportError, StoreError) as error:
            self.leave(member)
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self.name}: {member}: {_said(error)}; is etcd up?") from error

    def leave(self, member: str) -> None:
        """Ask the next one from now on, unless somebody else did that already."""
        if self._members[self._current] == member:
            self._current = (self._current + 1) % len(self._members)

    @property
    def members(self) -> int:
        """How many there are."""
        return len(self._members)

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def _ask(self, member: str, path: str, request: dict[str, Any], kind: type[T]) -> T:
        try:
            response = await self._http.post(f"http://{member}{path}", content=msgspec.json.encode(request))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise StoreError(f"{self.name}: {member}: {_said(error)}; is etcd up?") from error
        except httpx.TransportError as error:
            raise UncertainError(f"{self.name}: {member}: {_said(error)}; is etcd up?") from error
        if not response.is_success:
            raise self._error(response.status_code, response.content)
        return msgspec.json.decode(response.content, type=kind, strict=False)

    async def _messages(self, response: httpx.Response) -> AsyncGenerator[Watch]:
        decode = msgspec.json.Decoder(Message, strict=False).decode
        rest: list[bytes] = []
        try:
            async for chunk in response.aiter_bytes():
                *lines, last = chunk.split(b"\n")
                for line in lines:
                    message = decode(b"".join((*rest, line)))
                    rest = []
                    if message.error or not message.result:
                        raise self._failed(message.error or Failure("no words"), StoreError)
                    yield message.result
                rest.append(last)
        except httpx.ReadTimeout:
            return
        raise StoreError(f"{self.name}: the stream of changes ended")

    def _error(self, status: int, body: bytes) -> StoreError:
        try:
            failure = msgspec.json.decode(body, type=Failure)
        except UNDECODABLE:
            failure = Failure(f"HTTP status {status}, which is not etcd's")
        code = failure.code or failure.grpc_code
        if "no leader" in failure.message:
            return self._failed(failure, StoreError)  # said before anything is done
        return self._failed(failure, UncertainError if code in _GRPC_NOT_NOW or status >= 500 else RefusedError)

    def _failed(self, failure: Failure, kind: type[StoreError]) -> StoreError:
        cure = next((cure for words, cure in _CURES.items() if words in failure.message), "")
        return kind(f"{self.name}: {failure.message}{cure}")


def _said(error: httpx.TransportError) -> str:
    """Return what went wrong, in words: httpx has none for what took too long."""
    return str(error).lower() or f"no answer ({type(error).__name__})"
