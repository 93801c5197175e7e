# SPDX-License-Identifier: Apache-2.0
"""A remote that is watched, by BFD or by probes: whether it is dead, since when, and what is counted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vxnet.daemon.control import Remote

if TYPE_CHECKING:
    import asyncio

    from vxnet.model import IPAddress


class Peer:
    """One of them. ``since``: the loop's time at which it came up, or went down, or was first watched.

    ``next`` is when the next packet goes to it.
    """

    def __init__(self, address: IPAddress, now: float, *, dead: bool) -> None:
        self.address, self.since, self.dead = address, now, dead
        self.sent = self.received = self.discarded = self.downs = 0
        self.next: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Nothing is due any more."""
        if self.next:
            self.next.cancel()
            self.next = None

    def told(self, now: float, by: Literal["bfd", "probe"], state: str, remote_state: str = "") -> Remote:
        """Return what there is to say of it, for people."""
        return Remote(
            address=str(self.address),
            by=by,
            state=state,
            remote_state=remote_state,
            seconds=round(now - self.since, 3),
            dead=self.dead,
            sent=self.sent,
            received=self.received,
            discarded=self.discarded,
            downs=self.downs,
        )
