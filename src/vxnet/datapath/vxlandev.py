# SPDX-License-Identifier: Apache-2.0
"""The kernel's VXLAN device in external (collect-metadata) mode, with a VNI filter: the slow path and the UDP listener.

One device serves every segment of a VTEP. Its VNI filter (Linux 5.18) lists the VNIs it takes from the wire, and for a
VNI with a group the kernel itself joins that group (IGMP) on the underlay device. So memberships live as long as the
device, with no process and no socket of ours to hold them; two VNIs with one group share one membership.

pyroute2 does not know the filter's messages, so this file speaks rtnetlink itself (linux/if_link.h, rtnetlink.h):

    RTM_NEWLINK    ifinfomsg, IFLA_IFNAME,
                   IFLA_LINKINFO { "vxlan", { LINK, PORT, PORT_RANGE, COLLECT_METADATA, VNIFILTER } }
    RTM_GETLINK    ifinfomsg  ->  IFLA_STATS64
    RTM_NEWTUNNEL  tunnel_msg, VXLAN_VNIFILTER_ENTRY { START, END, GROUP }, ...
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import msgspec

from vxnet.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP, _NLM_F_EXCL, _NLM_F_CREATE = 1, 4, 0x300, 0x200, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_RTM_NEWTUNNEL, _RTM_DELTUNNEL, _RTM_GETTUNNEL = 120, 121, 122
_AF_BRIDGE = 7
_NESTED = 0x8000

_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_STATS64 = 3, 18, 23
_INFO_KIND, _INFO_DATA = 1, 2
_VXLAN_LINK, _VXLAN_LEARNING, _VXLAN_PORT_RANGE, _VXLAN_PORT = 3, 7, 10, 15
_VXLAN_COLLECT_METADATA, _VXLAN_VNIFILTER = 25, 30
_FILTER_ENTRY = 1
_ENTRY_START, _ENTRY_END, _ENTRY_GROUP = 1, 2, 3

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
    group: IPv4Address | None = None


def create(name: str, *, dstport: int, filtered_for: int | None) -> None:
    """Make the device, down, for all VNIs, or with a VNI filter that joins groups on the device ``filtered_for``.

    KernelError if the kernel cannot (a name or port in use, no VNI filter in this kernel).
    """
    data = (
        _attribute(_VXLAN_LEARNING, b"\0")
        + _attribute(_VXLAN_PORT_RANGE, struct.pack("!HH", SPORT_MIN, SPORT_MAX))
        + _attribute(_VXLAN_PORT, struct.pack("!H", dstport))
        + _attribute(_VXLAN_COLLECT_METADATA, b"\1")
    )
    if filtered_for is not None:
        data += _attribute(_VXLAN_LINK, struct.pack("=I", filtered_for)) + _attribute(_VXLAN_VNIFILTER, b"\1")
    info = _attribute(_INFO_KIND, b"vxlan\0") + _attribute(_INFO_DATA | _NESTED, data)
    body = (
        struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        + _attribute(_IFLA_IFNAME, name.encode() + b"\0")
        + _attribute(_IFLA_LINKINFO | _NESTED, info)
    )
    for _ in _talk(_RTM_NEWLINK, _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_EXCL, body, f"creating VXLAN device {name}"):
        pass


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
    for reply in _talk(_RTM_GETTUNNEL, _NLM_F_DUMP, body, "reading the VXLAN device's VNIs"):
        if struct.unpack_from("=I", reply, 4)[0] != ifindex:
            continue
        for kind, entry in _attributes(reply[8:]):
            if kind == _FILTER_ENTRY:
                fields = dict(_attributes(entry))
                first = struct.unpack("=I", fields[_ENTRY_START])[0]
                last = struct.unpack("=I", fields[_ENTRY_END])[0] if _ENTRY_END in fields else first
                group = IPv4Address(fields[_ENTRY_GROUP]) if _ENTRY_GROUP in fields else None
                found |= {FilterEntry(vni, group) for vni in range(first, last + 1)}
    return frozenset(found)


def counters(ifindex: int) -> dict[str, int]:
    """Return the device's counters by their names in struct rtnl_link_stats64."""
    body = struct.pack("=BxHiII", 0, 0, ifindex, 0, 0)
    (reply,) = _talk(_RTM_GETLINK, _NLM_F_ACK, body, "reading the VXLAN device's counters")
    values = struct.unpack_from(f"={len(_STATS64)}Q", dict(_attributes(reply[16:]))[_IFLA_STATS64])
    return dict(zip(_STATS64, values, strict=True))


def _change_vnis(message: int, ifindex: int, entries: Iterable[FilterEntry], what: str) -> None:
    ranges = list(_ranges(entries))
    for at in range(0, len(ranges), _BATCH):
        body = struct.pack("=BBHI", _AF_BRIDGE, 0, 0, ifindex)
        for first, last, group in ranges[at : at + _BATCH]:
            entry = _attribute(_ENTRY_START, struct.pack("=I", first))
            if last > first:
                entry += _attribute(_ENTRY_END, struct.pack("=I", last))
            if group:
                entry += _attribute(_ENTRY_GROUP, group.packed)
            body += _attribute(_FILTER_ENTRY | _NESTED, entry)
        for _ in _talk(message, _NLM_F_ACK, body, what):
            pass


def _ranges(entries: Iterable[FilterEntry]) -> Iterator[tuple[int, int, IPv4Address | None]]:
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


# ---- rtnetlink, as little of it as is needed ------------------------------------------------------------------------


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[length + (-length % 4) :]


def _talk(message: int, flags: int, body: bytes, what: str) -> Iterator[bytes]:
    """Send one request and yield the payload of each answer; KernelError with what it was about if it is refused."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, 0))
        netlink.send(struct.pack("=IHHII", 16 + len(body), message, _NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data = netlink.recv(1 << 20)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                payload = data[16:length]
                data = data[length + (-length % 4) :]
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        message_text = f"{what}: {os.strerror(code)}{_CURES.get(code, '')}"
                        raise KernelError(message_text)
                    return
                yield payload
