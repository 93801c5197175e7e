# SPDX-License-Identifier: Apache-2.0
"""What a request carries: who asks, on which condition, and a JSON object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.commands.access import Context
from vxnet.cluster.commands.errors import InvalidInput
from vxnet.cluster.times import now

if TYPE_CHECKING:
    from starlette.requests import Request

    from vxnet.cluster.caller import Caller

_IF_MATCH = re.compile(r"revision_number=([0-9]{1,18})")


def context_of(request: Request) -> Context:
    """Return who asks, when, and on which condition. InvalidInput for a condition that is none."""
    caller: Caller = request.state.caller
    condition = request.headers.get("if-match")
    if condition is None:
        return Context(caller=caller, now=now())
    match = _IF_MATCH.fullmatch(condition.strip().strip('"'))
    if match is None:
        raise InvalidInput(f"If-Match: {condition!r} is not of the form revision_number=N")
    return Context(caller=caller, now=now(), if_match=int(match[1]))


async def object_of_request(request: Request, *names: str) -> dict[str, Any]:
    """Return the object that a request carries. It has one member, which has one of these names."""
    try:
        body = msgspec.json.decode(await request.body())
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the request is no JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("the request is nested too deep") from None
    if not isinstance(body, dict):
        raise InvalidInput("the request is no JSON object")
    there = body.keys() & set(names)
    if not there:
        raise InvalidInput(f"the request has no {' or '.join(map(repr, names))} in it")
    if others := sorted(body.keys() - {min(there)}):
        raise InvalidInput(f"Unrecognized attribute(s) '{', '.join(others)}'")
    return body
