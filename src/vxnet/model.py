# SPDX-License-Identifier: Apache-2.0
"""The frozen values everything else speaks in: what one host is to be.

        HostState
          +-- vtep       Vtep            this host's tunnel endpoint
          +-- segments   Segment, ...    one VNI's layer-2 network each
          +-- ports      Port, ...       local devices attached to segments
          +-- fdb        FdbEntry, ...   static forwarding entries

A source (the host file today) yields a HostState; the kernel is read back into one; `vxnet.plan` compares the two.
Values here are valid by type, not by meaning: what may stand beside what is checked by the sources.
"""

from __future__ import annotations

from ipaddress import IPv4Address

import msgspec

VNI_MIN = 1
VNI_MAX = 2**24 - 1
"""A VNI has 24 bits (RFC 7348, section 5); 0 is not given to a segment."""

VXLAN_PORT = 4789
"""The UDP destination port that IANA assigned to VXLAN (RFC 7348, section 5)."""

AGEING = 300
"""Seconds a learned entry lives without being seen again, as in Linux's bridge and VXLAN devices."""

MAXADDRESS = 16384
"""How many MACs one port, or one remote in one segment, may teach unless the file says otherwise."""


class Vtep(msgspec.Struct, frozen=True, kw_only=True):
    """This host's tunnel endpoint: packets leave from and arrive at ``local``, UDP port ``dstport``."""

    local: IPv4Address
    dstport: int = VXLAN_PORT


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One VNI's layer-2 network on this host.

    BUM goes to ``remotes`` (head-end replication) or to ``group`` (IP multicast), or, with neither, to local ports
    only. ``ageing`` is in seconds. ``maxaddress`` bounds what one port or one remote may teach.
    """

    name: str
    vni: int
    remotes: tuple[IPv4Address, ...] = ()
    group: IPv4Address | None = None
    ageing: int = AGEING
    learning: bool = True
    maxaddress: int = MAXADDRESS


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """A local Ethernet device attached to a segment, both by name."""

    device: str
    segment: str


class FdbEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A static entry: in ``segment``, ``mac`` (``aa:bb:cc:dd:ee:ff``, lower case) is at ``port`` or behind ``remote``.

    Exactly one of ``port`` (a device name) and ``remote`` is set.
    """

    segment: str
    mac: str
    port: str | None = None
    remote: IPv4Address | None = None


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """All of one host. ``vtep`` is None only for a host that is down: then everything else is empty."""

    vtep: Vtep | None = None
    segments: tuple[Segment, ...] = ()
    ports: tuple[Port, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()


DOWN = HostState()
"""The state of a host on which vxnet is not running."""
