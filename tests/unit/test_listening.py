# SPDX-License-Identifier: Apache-2.0
"""The daemon's end of the control socket, which anything may be said to: there is one last answer, and no traceback."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec
import pytest

from vxnet.daemon import listening
from vxnet.daemon.control import Answer, Done, Failed, Status, encode, socket_path
from vxnet.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.daemon.control import Request

_LONGEST = 3000


def said(run_dir: Path, *requests: bytes) -> list[list[Answer]]:
    """Return what each request is answered, one after the other, while another connection says nothing to the end."""

    async def answer(_request: Request, _tell: Callable[[Answer], None]) -> Answer:
        return Done()

    async def main() -> list[list[Answer]]:
        async with listening.control_socket(run_dir, answer):
            _, silent = await asyncio.open_unix_connection(socket_path(run_dir))
            answers = [await _asked(run_dir, request) for request in requests]
        silent.close()
        return answers

    return asyncio.run(main())


async def _asked(run_dir: Path, request: bytes) -> list[Answer]:
    reader, writer = await asyncio.open_unix_connection(socket_path(run_dir))
    writer.write(request)
    writer.write_eof()
    lines = (await reader.read()).splitlines()
    writer.close()
    return [msgspec.json.decode(line, type=Answer) for line in lines]


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\n",
        b"\0\xff\n",
        b'{"type":"Status"',
        b'{"x":' + b"[" * 2000 + b"\n",
        b'{"type":"\\n"}\n',
        b" " * 9000 + b"\n",
    ],
    ids=["nothing", "empty", "bytes", "half", "deep", "newline", "long"],
)
def test_what_is_no_request_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """One line says why, and the next request is served."""
    monkeypatch.setattr(listening, "_MAX_REQUEST", _LONGEST)
    caplog.set_level(logging.WARNING)
    refused, served = said(tmp_path, request_, encode(Status()))
    assert [type(answer) for answer in refused] == [Failed]
    assert isinstance(refused[0], Failed)
    assert refused[0].message.isprintable()
    assert served == [Done()]
    assert not caplog.records


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    """What the request fails with is told as it is."""

    async def fail(_request: Request, _tell: Callable[[Answer], None]) -> Answer:
        message = "device tap0 does not exist"
        raise HostError(message)

    async def main() -> list[Answer]:
        async with listening.control_socket(tmp_path, fail):
            return await _asked(tmp_path, encode(Status()))

    assert asyncio.run(main()) == [Failed("device tap0 does not exist")]
