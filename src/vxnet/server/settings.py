# SPDX-License-Identifier: Apache-2.0
"""What an operator may set of a server's answers."""

from __future__ import annotations

import msgspec

from vxnet.model import VNI_MAX, VNI_MIN

DEFAULT_QUOTAS = {"network": 100, "subnet": 100, "port": 500}
"""How much a project may have unless it was given more or less: Neutron's defaults. -1: as much as it likes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``vni_ranges`` are (first, last) pairs from which networks get their VNI.

    ``mtu`` of new networks in bytes; None: what the smallest underlay leaves, see api/networks.py. ``public_url``: what
    links begin with; None: as the request came. ``max_page`` bounds how many one answer lists; -1: nothing does.
    """

    vni_ranges: tuple[tuple[int, int], ...] = ((VNI_MIN, VNI_MAX),)
    mtu: int | None = None
    quotas: dict[str, int] = DEFAULT_QUOTAS
    public_url: str | None = None
    max_page: int = -1
