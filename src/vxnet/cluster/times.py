# SPDX-License-Identifier: Apache-2.0
"""Times as records carry them: RFC 3339 in UTC, with Z, as clients of the OpenStack APIs insist on."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the time by this machine's clock, in whole seconds: ``2026-11-26T10:55:43Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
