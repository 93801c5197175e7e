# SPDX-License-Identifier: Apache-2.0
"""What an operator decides of a cluster's API; see configfile.py for how it is said."""

from __future__ import annotations

from typing import Final

import msgspec

QUOTAS: Final = {"network": 10_000, "subnet": 10_000, "port": 100_000}
"""Far above what a project needs, and far below what fills a server's memory."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``vni_ranges``: first and last VNI of each range that networks get theirs from, in this order.

    ``mtu``: of the tenants' packets, in bytes; None: what the underlay of every agent that is alive has room for.
    ``quotas``: how much a project may have of a resource, unless it has a quota of its own; -1: as much as it likes.
    ``max_page``: how many records one answer lists at the most, with a link to the next; None: as many as there are.
    ``public_url``: where clients find this server, for the links in its answers; None: where they asked.
    """

    vni_ranges: tuple[tuple[int, int], ...] = ((1, 16777215),)
    mtu: int | None = None
    quotas: dict[str, int] = msgspec.field(default_factory=lambda: dict(QUOTAS))
    max_page: int | None = None
    public_url: str | None = None
