# SPDX-License-Identifier: Apache-2.0
"""What an operator decides of a cluster's API; see configfile.py for how it is said."""

from __future__ import annotations

import msgspec

from vxnet.model import VNI_MAX, VNI_MIN

DEFAULT_QUOTAS = {"network": 100, "subnet": 100, "port": 500}
"""How much a project may have unless somebody decided otherwise: Neutron's defaults. -1: as much as it likes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``vni_ranges``: first and last VNI of each range that networks get theirs from, in this order.

    ``mtu``: of the tenants' packets, in bytes; None: what the underlay of every agent that is alive has room for.
    ``quotas``: how much a project may have of a resource, unless it has a quota of its own; -1: as much as it likes.
    ``public_url``: where clients find this server, for the links in its answers; None: where they asked. ``max_page``
    bounds how many one answer lists; -1: nothing does.
    """

    vni_ranges: tuple[tuple[int, int], ...] = ((VNI_MIN, VNI_MAX),)
    mtu: int | None = None
    quotas: dict[str, int] = msgspec.field(default_factory=lambda: dict(DEFAULT_QUOTAS))
    public_url: str | None = None
    max_page: int = -1
