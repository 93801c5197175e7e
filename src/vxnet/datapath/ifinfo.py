# SPDX-License-Identifier: Apache-2.0
"""The messages of links: struct ifinfomsg and the attributes behind it (linux/if_link.h)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from vxnet.datapath.rtnetlink import NESTED, NLM_F_CREATE, NLM_F_EXCL, attribute, request

if TYPE_CHECKING:
    from collections.abc import Mapping

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18

IFINFOMSG = 16
"""Bytes of the fixed part."""

IFF_UP, IFF_LOOPBACK, IFF_PROMISC, IFF_LOWER_UP = 0x1, 0x8, 0x100, 0x10000

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_STATS64 = 1, 3, 4, 10, 18, 20, 23
IFLA_GROUP, IFLA_EXT_MASK, IFLA_CARRIER_CHANGES, IFLA_LINK_NETNSID = 27, 29, 35, 37
INFO_KIND, INFO_DATA = 1, 2

_SKIP_STATS = 8


def link(index: int, *, flags: int = 0, which: int = 0) -> bytes:
    """Return the fixed part, of one link or none (0); ``which`` of its flags are to be as in ``flags``."""
    return struct.pack("=BxHiII", 0, 0, index, flags, which)


def without_stats(index: int) -> bytes:
    """Return what to ask for: one link or all (0), without statistics, which are more than all the rest."""
    return link(index) + attribute(IFLA_EXT_MASK, struct.pack("=I", _SKIP_STATS))


def create_link(name: str, kind: str, what: str, data: bytes = b"", cures: Mapping[int, str] = {}) -> None:
    """Make a link of this kind, down, with the ``data`` of its kind. KernelError as `rtnetlink.talk` has it."""
    info = attribute(INFO_KIND, kind.encode()) + (attribute(INFO_DATA | NESTED, data) if data else b"")
    body = link(0) + attribute(IFLA_IFNAME, name.encode()) + attribute(IFLA_LINKINFO | NESTED, info)
    request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, what, cures)
