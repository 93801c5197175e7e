# SPDX-License-Identifier: Apache-2.0
"""Answers in JSON, and errors in the form that OpenStack's clients read: ``{"NeutronError": {"type", "message"}}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vxnet.cluster.commands.errors import ApiError


def answer(body: Any, status: int = 200) -> Response:  # noqa: ANN401  (JSON)
    """Return JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def error(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error: ``kind`` is its name, ``message`` for people."""
    body = {"NeutronError": {"type": kind, "message": message, "detail": ""}}
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def error_of(failure: ApiError) -> Response:
    """Return what a decision failed with."""
    return error(failure.status, type(failure).__name__, str(failure))
