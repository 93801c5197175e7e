# SPDX-License-Identifier: Apache-2.0
"""The daemon's end of the control socket: one request a connection, one at a time answered by whoever serves."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from vxnet.daemon.control import Failed, Step, decode_request, encode, socket_path
from vxnet.daemon.netns import netns
from vxnet.errors import ControlError, VxnetError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from vxnet.daemon.control import Answer, Request
    from vxnet.plan import Change

log = logging.getLogger("vxnetd")

_MAX_REQUEST = 1 << 28

_PACE = 0.02
"""Seconds between two steps that are told: as many a second as anybody can read, and no load with 100 000 changes."""


@asynccontextmanager
async def control_socket(
    run_dir: Path, answer: Callable[[Request, Callable[[Answer], None]], Awaitable[Answer]]
) -> AsyncIterator[None]:
    """Serve the socket of ``run_dir`` inside the block. ``answer`` returns the last answer, and tells of others."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(step: Answer) -> None:
            writer.write(encode(step))

        try:
            request = decode_request(await _line(reader))
            writer.write(encode(await answer(request, tell)))
            await writer.drain()
        except ConnectionError:
            log.info("whoever asked has gone")
        except asyncio.CancelledError:
            # The daemon ends. Of a cancelled task that is left to the loop, asyncio of Python 3.11 logs a traceback.
            log.info("whoever is connected still gets no answer")
        except (VxnetError, OSError) as error:
            writer.write(encode(Failed(str(error))))
        finally:
            writer.close()

    path = socket_path(run_dir)
    path.unlink(missing_ok=True)
    old_mask = os.umask(0o117)
    try:
        server = await asyncio.start_unix_server(serve, path, limit=_MAX_REQUEST)
    finally:
        os.umask(old_mask)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def progress(tell: Callable[[Answer], None]) -> Callable[[tuple[Change, ...]], None]:
    """Return what tells of changes, from whichever thread makes them: of one at a time, for somebody who watches."""
    loop = asyncio.get_running_loop()
    told = 0.0

    def step(steps: tuple[Change, ...]) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= _PACE:
            told = now
            loop.call_soon_threadsafe(tell, Step.of(steps[0]))

    return step


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return the first line, or what there is if whoever asks has no more to say. ControlError if it has no end."""
    try:
        return await reader.readline()
    except ValueError:  # asyncio's, of a line that is too long
        message = f"a request has at most {_MAX_REQUEST} bytes"
        raise ControlError(message) from None


def same_netns(caller: int, run_dir: Path) -> None:
    """ControlError unless the caller is in the network namespace of this daemon."""
    if caller != netns():
        message = (
            f"vxnetd of {run_dir} serves another network namespace; give each its own --run-dir (or VXNET_RUN_DIR)"
        )
        raise ControlError(message)
