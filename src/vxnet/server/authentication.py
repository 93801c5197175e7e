# SPDX-License-Identifier: Apache-2.0
"""Who asks, as everything behind it sees it: an Identity turns headers into a Caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vxnet.cluster.caller import Caller


class Unauthenticated(VxnetError):  # noqa: N818  (what the caller is)
    """The headers name nobody who is known here, or the password or token is wrong. Says no more than that."""


class TooManyLogins(VxnetError):  # noqa: N818  (what there is)
    """Who asks cannot be looked into now, as so many passwords wait to be checked: HTTP's 503."""


class Identity(Protocol):
    """Knows the callers."""

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return who asks; names of headers are in small letters. Unauthenticated, TooManyLogins, StoreError."""
