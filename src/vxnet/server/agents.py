# SPDX-License-Identifier: Apache-2.0
"""The agents' side of the server: streams, reports, audits; see cluster/messages.py for who says what."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vxnet.cluster.messages import TICK, Held, Report
from vxnet.cluster.reports import taken
from vxnet.cluster.times import now
from vxnet.server.api.answers import error
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from vxnet.cluster.caller import Caller
    from vxnet.cluster.hub import Hub, Stream
    from vxnet.cluster.writing import Cluster
    from vxnet.server.beats import Beats

AUDIT_PATIENCE = 10.0
"""Seconds that agents have to say what their kernels hold."""

LONGEST_REVISION = 19
"""Digits of what a store counts in 64 bits."""


class _Question(NamedTuple):
    """An audit under way: who was asked, what was answered, and whether that is all."""

    asked: set[str]
    answers: dict[str, Held]
    complete: asyncio.Event


class Agents:
    """What agents ask for, and say."""

    def __init__(self, cluster: Cluster, hub: Hub, beats: Beats) -> None:
        self._cluster = cluster
        self._hub = hub
        self._beats = beats
        self._questions: dict[str, _Question] = {}

    def routes(self) -> list[Route]:
        """Return where it is found."""
        return [
            Route("/agent/v1/{host}/stream", self.stream),
            Route("/agent/v1/{host}/report", self.report, methods=["PUT"]),
            Route("/agent/v1/{host}/audits/{question}", self.answer, methods=["PUT"]),
            Route("/cluster/v1/audit", self.audit, methods=["POST"]),
        ]

    # ---- an agent ----

    async def stream(self, request: Request) -> Response:
        """Everything that concerns a host, as it comes."""
        host = _host_of(request)
        if host is None:
            return _refused(request)
        after = request.query_params.get("after", "")
        if not after.isascii() or not after.isdigit() or len(after) > LONGEST_REVISION:
            return error(400, f"after: {after!r} is no revision; it is a number, 0 for none yet")
        await self._cluster.fresh()
        # An agent that comes over from a server that hangs has been silent for long: its next report may wait there.
        self._beats.hear(host)
        stream = self._hub.join(host, request.query_params.get("incarnation", ""), int(after))
        return StreamingResponse(self._lines(stream), media_type="application/x-ndjson")

    async def _lines(self, stream: Stream) -> AsyncIterator[bytes]:
        try:
            while lines := await stream.take(TICK) or (b"" if stream.ended else self._hub.tick()):
                yield lines
        finally:
            self._hub.leave(stream)

    async def report(self, request: Request) -> Response:
        """Take what an agent says of its host."""
        host = _host_of(request)
        if host is None:
            return _refused(request)
        try:
            report = msgspec.json.decode(await request.body(), type=Report)
        except UNDECODABLE as failure:
            return error(400, f"the report is none: {failure}")
        self._beats.hear(host)
        most = self._cluster.store.most_writes // 2
        while not await self._cluster.write(lambda replica: taken(replica, host, report, now(), most)):
            pass
        return Response(status_code=204)

    async def answer(self, request: Request) -> Response:
        """Take what a kernel holds."""
        host = _host_of(request)
        if host is None:
            return _refused(request)
        question = self._questions.get(request.path_params["question"])
        try:
            held = msgspec.json.decode(await request.body(), type=Held)
        except UNDECODABLE as failure:
            return error(400, f"what the kernel holds is not said so: {failure}")
        if question:
            question.answers[host] = held
            if question.asked <= question.answers.keys():
                question.complete.set()
        return Response(status_code=204)

    # ---- an administrator ----

    async def audit(self, request: Request) -> Response:
        """Ask every agent that listens here what its kernel holds; an administrator's."""
        caller: Caller = request.state.caller
        if not caller.is_admin:
            return error(403, "only an administrator may ask what hosts hold")
        name = uuid.uuid4().hex
        replica = await self._cluster.fresh()
        question = self._questions[name] = _Question(self._hub.audit(name), {}, asyncio.Event())
        try:
            if question.asked:
                async with asyncio.timeout(AUDIT_PATIENCE):
                    await question.complete.wait()
        except TimeoutError:
            pass  # who has not answered is not among the answers, and `vxnet cluster check` says so
        finally:
            del self._questions[name]
        body = {
            "revision": replica.revision,
            "incarnation": replica.incarnation,
            "digest": replica.digest(),
            "asked": sorted(question.asked),
            "answers": question.answers,
        }
        return Response(msgspec.json.encode(body), media_type="application/json")


def _host_of(request: Request) -> str | None:
    """Return the host a request is about, if it is the one that the caller may speak for."""
    caller: Caller = request.state.caller
    host: str = request.path_params["host"]
    return host if caller.host == host else None


def _refused(request: Request) -> Response:
    caller: Caller = request.state.caller
    mine = f"host {caller.host}" if caller.host else "no host"
    return error(403, f"this token speaks for {mine}, not for {request.path_params['host']}")
