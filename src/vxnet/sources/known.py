# SPDX-License-Identifier: Apache-2.0
"""Whom a segment takes packets from, where it does from its remotes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.model import IPAddress


def known(remotes: Iterable[IPAddress]) -> tuple[str, ...]:
    """Return `Segment.senders` for these remotes: each address as a prefix, once, in order."""
    return tuple(sorted({f"{remote}/{remote.max_prefixlen}" for remote in remotes}))
