# SPDX-License-Identifier: Apache-2.0
"""Routes to remotes and groups, and the groups that the kernel is in."""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2.netlink.exceptions import NetlinkError

from vxnet.datapath.rtnetlink import netlink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import IPAddress

ROUTE_PROTOCOL = 247
"""The `proto` of the routes vxnet adds (rtnetlink(7)): `ip route show proto 247` lists them."""

_SCOPE_LINK = 253
_TABLE_MAIN, _TABLE_LOCAL = 254, 255
_RTN_MULTICAST = 5

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL})
"""No route; or one of the types unreachable, prohibit and blackhole (ip-route(8))."""


def way_to(remote: IPAddress) -> int:
    """Return the index of the device that the route to ``remote`` leads through; 0 if there is none."""
    with netlink(f"asking for the route to {remote}") as ip:
        try:
            routes = list(ip.route("get", dst=str(remote)))
        except NetlinkError as error:
            if error.code in _NO_WAY:
                return 0
            raise
    return next((int(route.get("oif") or 0) for route in routes), 0)


def add_group_route(group: IPAddress, underlay: int, metric: int) -> None:
    """Route ``group`` to the underlay: the VXLAN device in external mode asks the routing table for groups too.

    The metric is the VTEP's UDP port: it keeps the routes of several VTEPs apart, and a route of the user's own before
    all of them.
    """
    with netlink(f"adding a route to group {group}") as ip:
        ip.route("replace", **_group_route(group, underlay, metric))


def remove_group_route(group: IPAddress, underlay: int, metric: int) -> None:
    """Take the group's route away again."""
    with netlink(f"removing the route to group {group}") as ip:
        ip.route("del", **_group_route(group, underlay, metric))


def _group_route(group: IPAddress, underlay: int, metric: int) -> dict[str, str | int]:
    route: dict[str, str | int] = {"oif": underlay, "priority": metric, "proto": ROUTE_PROTOCOL}
    if isinstance(group, IPv4Address):
        return route | {"dst": f"{group}/32", "scope": _SCOPE_LINK}
    # The kernel has a route for ff00::/8 to every device in table local, which is asked first: ours is longer.
    return route | {"dst": f"{group}/128", "table": _TABLE_LOCAL, "type": _RTN_MULTICAST}


def group_routes(underlay: int, metric: int) -> frozenset[IPAddress]:
    """Return the groups that have a route of this metric, ours, to the device ``underlay``."""
    return frozenset(group for group, *place in all_group_routes() if place == [underlay, metric])


def all_group_routes() -> list[tuple[IPAddress, int, int]]:
    """Return (group, index of its device, metric) of every route that a VTEP of vxnet has added."""
    with netlink("reading the routes") as ip:
        return [
            (ip_address(route.get("dst")), route.get("oif"), route.get("priority") or 0)
            for family, table in ((socket.AF_INET, _TABLE_MAIN), (socket.AF_INET6, _TABLE_LOCAL))
            for route in ip.get_routes(family=family, table=table, proto=ROUTE_PROTOCOL)
            if route.get("dst")
        ]


def joined_groups(underlay: int) -> frozenset[IPAddress]:
    """Return the groups of both families that this host is in on a device, whoever joined them."""
    return frozenset((*_joined4(underlay), *_joined6(underlay)))


def _joined4(underlay: int) -> Iterator[IPv4Address]:
    here = False
    with Path("/proc/thread-self/net/igmp").open(encoding="ascii") as lines:
        next(lines)
        for line in lines:
            words = line.split()
            if not line.startswith("\t"):
                here = int(words[0]) == underlay
            elif here:  # a group of the device above: its address, in the CPU's byte order
                yield IPv4Address(struct.pack("=I", int(words[0], 16)))


def _joined6(underlay: int) -> Iterator[IPv6Address]:
    file = Path("/proc/thread-self/net/igmp6")
    if not file.exists():  # a kernel without IPv6
        return
    with file.open(encoding="ascii") as lines:
        for line in lines:
            index, _, group, *_ = line.split()
            if int(index) == underlay:
                yield IPv6Address(bytes.fromhex(group))
