# SPDX-License-Identifier: Apache-2.0
"""What is to be known of a network device to choose MACs and MTUs, and to fill in an Interface's status columns."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A device. ``mtu`` in bytes, ``speed`` in bit/s; ``resets`` counts how often the carrier came or went.

    ``driver`` has what ethtool says of it, under the names of the database: driver_name, driver_version,
    firmware_version.
    """

    index: int
    name: str
    mac: str | None
    mtu: int
    up: bool
    carrier: bool
    resets: int = 0
    speed: int | None = None
    duplex: str | None = None
    driver: Mapping[str, str] = {}


class Egress(msgspec.Struct, frozen=True):
    """The device that the route to a tunnel's remote leads through, and whether it has a carrier."""

    device: str
    carrier: bool
