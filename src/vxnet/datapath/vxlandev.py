# SPDX-License-Identifier: Apache-2.0
"""The kernel's VXLAN device in external (collect-metadata) mode, with a VNI filter: the slow path and the UDP listener.

One device serves every segment of a VTEP. Its VNI filter (Linux 5.18) lists the VNIs it takes from the wire, and for a
VNI with a group the kernel itself joins that group (IGMP, MLD) on the underlay device. So memberships live as long as
the device, with no process and no socket of ours to hold them; two VNIs with one group share one membership.

pyroute2 does not know the filter's messages, so this file speaks rtnetlink itself (linux/if_link.h):

    RTM_NEWLINK    ifinfomsg, IFLA_IFNAME,
                   IFLA_LINKINFO { "vxlan", { LINK, PORT, PORT_RANGE, COLLECT_METADATA, VNIFILTER } }
    RTM_GETLINK    ifinfomsg  ->  IFLA_STATS64
    RTM_NEWTUNNEL  tunnel_msg, VXLAN_VNIFILTER_ENTRY { START, END, GROUP }, ...
"""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING

import msgspec

from vxnet.datapath.ifinfo import IFINFOMSG, IFLA_STATS64, RTM_GETLINK, create_link, link
from vxnet.datapath.rtnetlink import NESTED, NLM_F_ACK, NLM_F_DUMP, attribute, attributes, request, talk
from vxnet.model import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_RTM_NEWTUNNEL, _RTM_DELTUNNEL, _RTM_GETTUNNEL = 120, 121, 122
_AF_BRIDGE = 7

_VXLAN_LINK, _VXLAN_LEARNING, _VXLAN_PORT_RANGE, _VXLAN_PORT, _VXLAN_ZERO_CSUM6_RX = 3, 7, 10, 15, 20
_VXLAN_COLLECT_METADATA, _VXLAN_VNIFILTER = 25, 30
_FILTER_ENTRY = 1
_ENTRY_START, _ENTRY_END, _ENTRY_GROUP, _ENTRY_GROUP6 = 1, 2, 3, 4

_STATS64 = (
    *("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped"),
    *("multicast", "collisions", "rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors"),
)
"""The beginning of struct rtnl_link_stats64 (linux/if_link.h)."""

SPORT_MIN, SPORT_MAX = 49152, 65535
"""RFC 7348, section 5. Left alone, the kernel would take the host's ephemeral ports."""

_BATCH = 1000

_CURES = {
    errno.EOPNOTSUPP: "; this needs Linux 5.18 or newer",
    errno.ENOBUFS: "; the kernel joins no more groups on one UDP port: raise net.ipv4.igmp_max_memberships",
}


class FilterEntry(msgspec.Struct, frozen=True, order=True):
    """One VNI that the device takes from the wire, and the group joined for it."""

    vni: int
    group: IPAddress | None = None


def create(name: str, *, dstport: int, filtered_for: int | None) -> None:
    """Make the device, down, for all VNIs, or with a VNI filter that joins groups on the device ``filtered_for``.

    KernelError if the kernel cannot (a name or port in use, no VNI filter in this kernel).
    """
    data = (
        attribute(_VXLAN_LEARNING, b"\0")
        + attribute(_VXLAN_PORT_RANGE, struct.pack("!HH", SPORT_MIN, SPORT_MAX))
        + attribute(_VXLAN_PORT, struct.pack("!H", dstport))
        + attribute(_VXLAN_COLLECT_METADATA, b"\1")
        # Over IPv6 too: RFC 7348, section 5, asks for no checksum, and RFC 6935 allows that for tunnels.
        + attribute(_VXLAN_ZERO_CSUM6_RX, b"\1")
    )
    if filtered_for is not None:
        data += attribute(_VXLAN_LINK, struct.pack("=I", filtered_for)) + attribute(_VXLAN_VNIFILTER, b"\1")
    create_link(name, "vxlan", "creating a VXLAN device", data, _CURES)


def add_vnis(ifindex: int, entries: Iterable[FilterEntry]) -> None:
    """Take these VNIs from the wire, and join their groups."""
    _change_vnis(_RTM_NEWTUNNEL, ifindex, entries, "adding VNIs to the VXLAN device")


def remove_vnis(ifindex: int, entries: Iterable[FilterEntry]) -> None:
    """Take these VNIs no longer, and leave groups that no other VNI of the device uses."""
    _change_vnis(_RTM_DELTUNNEL, ifindex, entries, "removing VNIs from the VXLAN device")


def vnis(ifindex: int) -> frozenset[FilterEntry]:
    """Return the filter as it is."""
    found = set()
    body = struct.pack("=BBHI", _AF_BRIDGE, 0, 0, ifindex)
    for reply in talk(_RTM_GETTUNNEL, NLM_F_DUMP, body, "reading the VXLAN device's VNIs"):
        if struct.unpack_from("=I", reply, 4)[0] != ifindex:
            continue
        for kind, entry in attributes(reply[8:]):
            if kind == _FILTER_ENTRY:
                fields = dict(attributes(entry))
                first = struct.unpack("=I", fields[_ENTRY_START])[0]
                last = struct.unpack("=I", fields[_ENTRY_END])[0] if _ENTRY_END in fields else first
                address = fields.get(_ENTRY_GROUP) or fields.get(_ENTRY_GROUP6)
                group = ip_address(address) if address else None
                found |= {FilterEntry(vni, group) for vni in range(first, last + 1)}
    return frozenset(found)


def counters(ifindex: int) -> dict[str, int]:
    """Return the device's counters by their names in struct rtnl_link_stats64."""
    (reply,) = talk(RTM_GETLINK, NLM_F_ACK, link(ifindex), "reading the VXLAN device's counters")
    values = struct.unpack_from(f"={len(_STATS64)}Q", dict(attributes(reply[IFINFOMSG:]))[IFLA_STATS64])
    return dict(zip(_STATS64, values, strict=True))


def _change_vnis(message: int, ifindex: int, entries: Iterable[FilterEntry], what: str) -> None:
    ranges = list(_ranges(entries))
    for at in range(0, len(ranges), _BATCH):
        body = struct.pack("=BBHI", _AF_BRIDGE, 0, 0, ifindex)
        for first, last, group in ranges[at : at + _BATCH]:
            entry = attribute(_ENTRY_START, struct.pack("=I", first))
            if last > first:
                entry += attribute(_ENTRY_END, struct.pack("=I", last))
            if group:
                entry += attribute(_ENTRY_GROUP if isinstance(group, IPv4Address) else _ENTRY_GROUP6, group.packed)
            body += attribute(_FILTER_ENTRY | NESTED, entry)
        request(message, 0, body, what, _CURES)


def _ranges(entries: Iterable[FilterEntry]) -> Iterator[tuple[int, int, IPAddress | None]]:
    """Neighbouring VNIs without a group as one range: a message holds few entries, and a host may have many VNIs."""
    first = last = 0
    for entry in sorted(entries, key=lambda e: (e.group is not None, e.vni)):
        if entry.group is None and first and entry.vni == last + 1:
            last = entry.vni
            continue
        if first:
            yield first, last, None
            first = 0
        if entry.group is None:
            first = last = entry.vni
        else:
            yield entry.vni, entry.vni, entry.group
    if first:
        yield first, last, None
