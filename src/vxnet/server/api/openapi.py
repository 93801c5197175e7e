# SPDX-License-Identifier: Apache-2.0
"""The API as an OpenAPI document, made of the tables that the server itself goes by."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """Return the document."""
    return {"openapi": "3.1.0"}
