# SPDX-License-Identifier: Apache-2.0
"""What becomes of a frame: where copies of it go, why it is dropped, and what of it is counted."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from vxnet.drops import DropReason
from vxnet.model import IPAddress


class Behind(NamedTuple):
    """A place behind a tunnel: the VTEP ``remote``. A segment's own tunnel has the segment's name."""

    tunnel: str
    remote: IPAddress


Place = str | Behind
"""Where a MAC is: a port's device name, or a remote behind a tunnel."""


def member(place: Place) -> str:
    """Return the port or tunnel of a place: a frame never goes back there (split horizon)."""
    return place if isinstance(place, str) else place.tunnel


class ToPort(msgspec.Struct, frozen=True):
    """Give ``frame`` to the port ``device``."""

    device: str
    frame: bytes


class ToUnderlay(msgspec.Struct, frozen=True):
    """Send ``frame`` through ``tunnel`` to ``remote``: another VTEP's address, or the segment's group."""

    tunnel: str
    remote: IPAddress
    vni: int
    frame: bytes


Copy = ToPort | ToUnderlay


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of one frame: ``copies``, ports first, and the reason if it or a part of it is not forwarded.

    ``ours`` is False for a packet from the underlay that the switch leaves to the host: nothing else is set then.
    """

    copies: tuple[Copy, ...] = ()
    drop: DropReason | None = None
    ours: bool = True


LEFT_TO_HOST = Outcome(ours=False)


class Traffic(msgspec.Struct):
    """Counters of a port or a tunnel; bytes are those of tenants' frames, in a bridge with their tag.

    rx is what came into the segment from there, dropped or not; tx is what was given out there, each copy for itself.
    ``unlearned`` counts frames whose source MAC was not learned because the place had taught ``maxaddress`` already,
    ``suppressed`` the BUM frames that storm control dropped.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    unlearned: int = 0
    suppressed: int = 0
