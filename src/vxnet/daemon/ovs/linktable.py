# SPDX-License-Identifier: Apache-2.0
"""The devices of this host as `vxnet.sources.ovsdb` wants to know them, read in one go, and the ways to remotes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from vxnet.daemon.ovs import ethtool
from vxnet.datapath.ifinfo import (
    IFF_LOWER_UP,
    IFF_UP,
    IFINFOMSG,
    IFLA_ADDRESS,
    IFLA_CARRIER_CHANGES,
    IFLA_IFNAME,
    IFLA_MTU,
    IFLA_STATS64,
    RTM_GETLINK,
    link,
    without_stats,
)
from vxnet.datapath.routes import way_to
from vxnet.datapath.rtnetlink import NLM_F_DUMP, attributes, talk
from vxnet.packet.mac import LENGTH, format_mac
from vxnet.sources.ovsdb.links import Egress, Link
from vxnet.sources.ovsdb.status import Counters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.model import IPAddress

_STATS = struct.Struct("=16Q")
"""The beginning of struct rtnl_link_stats64 (linux/if_link.h)."""


class LinkTable:
    """What was read last; ``links`` are by the device's name."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._ways: dict[IPAddress, int] = {}

    def read(self) -> None:
        """Read all devices. What ethtool says is asked again only of those that are new, or whose carrier changed."""
        before = self.links
        self.links = {one.name: one for one in (_link(reply, before) for reply in _dump(without_stats(0)))}

    def forget_ways(self) -> None:
        """Look for the routes to remotes again when they are asked for next."""
        self._ways.clear()

    def egress(self, remotes: Iterable[IPAddress]) -> dict[IPAddress, Egress]:
        """Return the devices that lead to remotes; those without a route are left out."""
        wanted = set(remotes)
        if unknown := wanted - self._ways.keys():
            self._ways |= {remote: way_to(remote) for remote in unknown}
        by_index = {one.index: one for one in self.links.values()}
        ways = ((remote, by_index.get(self._ways[remote])) for remote in wanted)
        return {remote: Egress(one.name, one.carrier) for remote, one in ways if one}


def counters() -> dict[str, Counters]:
    """Return what every device has counted, by its name."""
    return dict(map(_counted, _dump(link(0))))


def _dump(which: bytes) -> list[bytes]:
    return list(talk(RTM_GETLINK, NLM_F_DUMP, which, "reading the network devices"))


def _link(reply: bytes, before: dict[str, Link]) -> Link:
    index, flags = struct.unpack_from("=iI", reply, 4)
    found = dict(attributes(reply[IFINFOMSG:]))
    name, address = _name(found), found.get(IFLA_ADDRESS, b"")
    known, carrier = before.get(name), bool(flags & IFF_LOWER_UP)
    if known and known.index == index and known.carrier == carrier:
        speed, duplex, driver = known.speed, known.duplex, known.driver
    else:
        (speed, duplex), driver = ethtool.speed(name), ethtool.driver(name)
    return Link(
        index=index,
        name=name,
        mac=format_mac(address) if len(address) == LENGTH else None,
        mtu=_number(found, IFLA_MTU),
        up=bool(flags & IFF_UP),
        carrier=carrier,
        # A device begins without a carrier, which the kernel counts as the first change.
        resets=max(0, _number(found, IFLA_CARRIER_CHANGES) - 1),
        speed=speed,
        duplex=duplex,
        driver=driver,
    )


def _counted(reply: bytes) -> tuple[str, Counters]:
    found = dict(attributes(reply[IFINFOMSG:]))
    *_, rx_errors, tx_errors, rx_dropped, tx_dropped, multicast, collisions, _, over, crc, frame, _, missed = (
        _STATS.unpack_from(found.get(IFLA_STATS64, bytes(_STATS.size)))
    )
    return _name(found), Counters(
        rx_dropped=rx_dropped,
        rx_errors=rx_errors,
        rx_frame_err=frame,
        rx_over_err=over,
        rx_crc_err=crc,
        rx_missed_errors=missed,
        rx_multicast_packets=multicast,
        tx_dropped=tx_dropped,
        tx_errors=tx_errors,
        collisions=collisions,
    )


def _name(found: dict[int, bytes]) -> str:
    return found[IFLA_IFNAME].rstrip(b"\0").decode(errors="surrogateescape")


def _number(found: dict[int, bytes], which: int) -> int:
    value: int = struct.unpack("=I", found.get(which, bytes(4)))[0]
    return value
