# SPDX-License-Identifier: Apache-2.0
"""Whom a segment takes packets from, where it does from its remotes alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vxnet.model import IPAddress


@lru_cache(maxsize=4096)  # many segments have the same remotes
def known(remotes: tuple[IPAddress, ...]) -> tuple[str, ...]:
    """Return `Segment.senders` for these remotes: each address as a prefix, once, in order."""
    return tuple(sorted({f"{remote}/{remote.max_prefixlen}" for remote in remotes}))
