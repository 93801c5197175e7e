# SPDX-License-Identifier: Apache-2.0
"""The network devices of this namespace, and what vxnet does to them.

They are read and changed in messages of our own: a host may have a thousand, and pyroute2 takes ten times as long.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vxnet.datapath.ifinfo import (
    IFF_LOOPBACK,
    IFF_LOWER_UP,
    IFF_PROMISC,
    IFF_UP,
    IFINFOMSG,
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    INFO_DATA,
    INFO_KIND,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWLINK,
    create_link,
    link,
    without_stats,
)
from vxnet.datapath.rtnetlink import NLM_F_ACK, NLM_F_DUMP, attribute, attributes, request, talk
from vxnet.errors import KernelError
from vxnet.model import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RTM_GETADDR = 22
_IFADDRMSG = 8
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_VXLAN_PORT = 15
_VETH_PEER = 1

_DOOMED = 0x76786E74
"""The group (`ip link set DEVICE group N`) that devices are in for the moment before they are deleted together."""

_ARPHRD_ETHER = 1


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One network device; ``mtu`` is its IP MTU in bytes, ``kind`` rtnetlink's: "veth", "vxlan", "" for hardware."""

    index: int
    name: str
    kind: str
    ethernet: bool
    loopback: bool
    up: bool
    carrier: bool
    mtu: int
    mac: str
    alias: str
    master: int
    peer_elsewhere: bool
    vxlan_port: int
    addresses: tuple[IPAddress, ...]

    @property
    def filters_macs(self) -> bool:
        """Whether it drops frames for other MACs than its own unless told not to. A veth and a TAP never do."""
        return self.kind not in {"veth", "tun"}


class Devices(msgspec.Struct, frozen=True):
    """All devices of the namespace at one moment."""

    by_index: dict[int, Device]
    by_name: dict[str, Device]

    def holding(self, address: IPAddress) -> Device | None:
        """Return the device that has ``address``."""
        return next((device for device in self.by_index.values() if address in device.addresses), None)

    def updated(self, name: str, now: Device | None) -> Devices:
        """Return them with the one of this name as it is now, but for its addresses, or without it."""
        others = {index: device for index, device in self.by_index.items() if device.name != name}
        by_index = others | ({now.index: now} if now else {})
        return Devices(by_index, {device.name: device for device in by_index.values()})


def devices() -> Devices:
    """Read them all."""
    addresses: dict[int, list[IPAddress]] = {}
    body = struct.pack("=BxxxI", socket.AF_UNSPEC, 0)
    for reply in talk(_RTM_GETADDR, NLM_F_DUMP, body, "reading the addresses"):
        values = dict(attributes(reply[_IFADDRMSG:]))
        if local := values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS):
            addresses.setdefault(struct.unpack_from("=I", reply, 4)[0], []).append(ip_address(local))
    replies = talk(RTM_GETLINK, NLM_F_DUMP, without_stats(0), "reading the network devices")
    found = [_with_addresses(_device(reply), addresses) for reply in replies]
    for gone in _last.keys() - {device.index for device in found}:
        _last.pop(gone, None)
    return Devices({device.index: device for device in found}, {device.name: device for device in found})


def device(index: int) -> Device | None:
    """Read one, but for its addresses; None if it is gone. However many there are, it takes the same time."""
    try:
        (reply,) = talk(RTM_GETLINK, NLM_F_ACK, without_stats(index), "reading a network device")
    except KernelError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENODEV:
            return None
        raise
    return _device(reply)


def named(name: str) -> Device | None:
    """Read one by its name, but for its addresses; None if there is none."""
    try:
        index = socket.if_nametoindex(name)
    except OSError:  # no interface with this name, without an errno
        return None
    return device(index)


def _with_addresses(device: Device, addresses: Mapping[int, list[IPAddress]]) -> Device:
    there = addresses.get(device.index)
    return msgspec.structs.replace(device, addresses=tuple(there)) if there else device


_last: dict[int, tuple[bytes, Device]] = {}
"""Each device as it was read last, by its index, and what was read: a kilobyte or two, and no more for changes."""


def _device(reply: bytes) -> Device:
    """Return the device that a message tells of, but for its addresses.

    Most are asked for again and again, and have not changed since: to read 40 attributes takes ten times as long as to
    see that they are the same.
    """
    (index,) = struct.unpack_from("=i", reply, 4)
    message, device = _last.get(index, (b"", None))
    if device is None or message != reply:
        device = _read(reply)
        _last[index] = reply, device
    return device


def _read(reply: bytes) -> Device:
    kind_of_hardware, index, flags = struct.unpack_from("=HiI", reply, 2)
    values = dict(attributes(reply[IFINFOMSG:]))
    info = dict(attributes(values.get(IFLA_LINKINFO, b"")))
    kind = info.get(INFO_KIND, b"").rstrip(b"\0").decode()
    port = dict(attributes(info.get(INFO_DATA, b""))).get(_VXLAN_PORT) if kind == "vxlan" else None
    return Device(
        index=index,
        name=values[IFLA_IFNAME].rstrip(b"\0").decode(),
        kind=kind,
        ethernet=kind_of_hardware == _ARPHRD_ETHER and not flags & IFF_LOOPBACK,
        loopback=bool(flags & IFF_LOOPBACK),
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP),
        mtu=_number(values.get(IFLA_MTU)),
        mac=values.get(IFLA_ADDRESS, b"").hex(":"),
        alias=values.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"),
        master=_number(values.get(IFLA_MASTER)),
        peer_elsewhere=kind == "veth" and IFLA_LINK_NETNSID in values,
        vxlan_port=int.from_bytes(port or b"", "big"),
        addresses=(),
    )


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", sys.byteorder)


def set_name(index: int, name: str, what: str, alias: str = "") -> None:
    """Give a device that is down its name and alias, which `ip link` shows: nobody sees the one without the other."""
    words = attribute(IFLA_IFNAME, name.encode())
    _set(index, what, words + (attribute(IFLA_IFALIAS, alias.encode()) if alias else b""))


def come_out(index: int, name: str, alias: str) -> None:
    """Give a device that is down its name and alias, and bring it up: nobody sees one of these without the others."""
    words = attribute(IFLA_IFNAME, name.encode()) + attribute(IFLA_IFALIAS, alias.encode())
    _set(index, f"making device {name}", words, flags=IFF_UP, which=IFF_UP)


def set_up(index: int) -> None:
    """Bring a device up. KernelError if it will not (for a VXLAN device: its UDP port is in use)."""
    _set(index, "bringing the device up", flags=IFF_UP, which=IFF_UP)


def set_mac(index: int, mac: str) -> None:
    """Give a device its MAC."""
    _set(index, f"giving the device the MAC {mac}", attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))))


def set_mtu(index: int, mtu: int) -> None:
    """Give a device its MTU, in bytes."""
    _set(index, f"setting the device's MTU to {mtu}", attribute(IFLA_MTU, struct.pack("=I", mtu)))


def set_promiscuous(index: int, *, on: bool) -> None:
    """Let a device take frames for every MAC, or only for its own again."""
    _set(index, "setting the device's promiscuous mode", flags=IFF_PROMISC if on else 0, which=IFF_PROMISC)


def create_veth(name: str, peer: str, *, peer_mtu: int) -> None:
    """Make two devices that are connected, both down."""
    other = link(0) + attribute(IFLA_IFNAME, peer.encode()) + attribute(IFLA_MTU, struct.pack("=I", peer_mtu))
    create_link(name, "veth", "creating a veth", attribute(_VETH_PEER, other))


def create_bridge(name: str) -> None:
    """Make a Linux bridge, down."""
    create_link(name, "bridge", "creating a bridge")


def set_master(index: int, master: int) -> None:
    """Put a device below a bridge; 0: below none."""
    what = "putting the device below a bridge" if master else "taking the device from its bridge"
    _set(index, what, attribute(IFLA_MASTER, struct.pack("=I", master)))


def delete(index: int) -> None:
    """Delete a device."""
    request(RTM_DELLINK, 0, link(index), "deleting the device")


def delete_together(indexes: Iterable[int]) -> None:
    """Delete devices, in the time that one takes: each alone waits 18 ms for all CPUs (an RCU grace period)."""
    chosen = attribute(IFLA_GROUP, struct.pack("=I", _DOOMED))
    some = False
    for index in indexes:
        _set(index, "choosing the device to be deleted", chosen)
        some = True
    if some:
        request(RTM_DELLINK, 0, link(0) + chosen, "deleting devices")


def _set(index: int, what: str, attributes_: bytes = b"", *, flags: int = 0, which: int = 0) -> None:
    request(RTM_NEWLINK, 0, link(index, flags=flags, which=which) + attributes_, what)


def set_sysctl(path: str, value: str) -> None:
    """Write ``/proc/sys/net/PATH`` of this network namespace; a file that this kernel does not have is no error."""
    file = Path("/proc/sys/net") / path
    if file.exists():
        file.write_text(value)
