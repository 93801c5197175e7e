# SPDX-License-Identifier: Apache-2.0
"""The network devices of this namespace, and what vxnet does to them; filters.

Links are read and changed by rtnetlink.py: a host may have a thousand, and pyroute2 takes ten times as long.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from vxnet.datapath.rtnetlink import (
    IFINFOMSG,
    NESTED,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    attribute,
    attributes,
    talk,
)
from vxnet.errors import KernelError
from vxnet.model import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK, _RTM_GETADDR = 16, 17, 18, 22
_IFADDRMSG = 8
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_IFALIAS = 1, 3, 4, 10, 18, 20
_IFLA_GROUP, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID = 27, 29, 37
_INFO_KIND, _INFO_DATA = 1, 2
_VXLAN_PORT = 15
_VETH_PEER = 1
_RTM_GETTFILTER = 46
_TCMSG = 20
_TCA_KIND = 1
_SKIP_STATS = 8

_DOOMED = 0x76786E74
"""The group (`ip link set DEVICE group N`) that devices are in for the moment before they are deleted together."""

_IFF_UP, _IFF_LOOPBACK, _IFF_PROMISC, _IFF_LOWER_UP = 0x1, 0x8, 0x100, 0x10000
_ARPHRD_ETHER = 1
_CLSACT = 0xFFFF0000
_CLSACT_INGRESS, _CLSACT_EGRESS = 0xFFFFFFF2, 0xFFFFFFF3


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


@contextmanager
def netlink(what: str) -> Iterator[Any]:
    """A netlink socket of this namespace; what the kernel refuses becomes a KernelError that begins with ``what``."""
    try:
        with IPRoute() as ip:
            yield ip
    except NetlinkError as error:
        message = f"{what}: {error.args[-1]}"
        raise KernelError(message) from error


def devices() -> Devices:
    """Read them all."""
    addresses: dict[int, list[IPAddress]] = {}
    body = struct.pack("=BxxxI", socket.AF_UNSPEC, 0)
    for reply in talk(_RTM_GETADDR, NLM_F_DUMP, body, "reading the addresses"):
        values = dict(attributes(reply[_IFADDRMSG:]))
        if local := values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS):
            addresses.setdefault(struct.unpack_from("=I", reply, 4)[0], []).append(ip_address(local))
    replies = talk(_RTM_GETLINK, NLM_F_DUMP, _which(0), "reading the network devices")
    found = [_with_addresses(_device(reply), addresses) for reply in replies]
    for gone in _last.keys() - {device.index for device in found}:
        _last.pop(gone, None)
    return Devices({device.index: device for device in found}, {device.name: device for device in found})


def device(index: int) -> Device | None:
    """Read one, but for its addresses; None if it is gone. However many there are, it takes the same time."""
    try:
        (reply,) = talk(_RTM_GETLINK, NLM_F_ACK, _which(index), "reading a network device")
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


def _which(index: int) -> bytes:
    """Return what to ask for: one device or all (0), without statistics, which are more than all the rest."""
    mask = attribute(_IFLA_EXT_MASK, struct.pack("=I", _SKIP_STATS))
    return _link(index) + mask


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
    info = dict(attributes(values.get(_IFLA_LINKINFO, b"")))
    kind = info.get(_INFO_KIND, b"").rstrip(b"\0").decode()
    port = dict(attributes(info.get(_INFO_DATA, b""))).get(_VXLAN_PORT) if kind == "vxlan" else None
    return Device(
        index=index,
        name=values[_IFLA_IFNAME].rstrip(b"\0").decode(),
        kind=kind,
        ethernet=kind_of_hardware == _ARPHRD_ETHER and not flags & _IFF_LOOPBACK,
        loopback=bool(flags & _IFF_LOOPBACK),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        mtu=_number(values.get(_IFLA_MTU)),
        mac=values.get(_IFLA_ADDRESS, b"").hex(":"),
        alias=values.get(_IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"),
        master=_number(values.get(_IFLA_MASTER)),
        peer_elsewhere=kind == "veth" and _IFLA_LINK_NETNSID in values,
        vxlan_port=int.from_bytes(port or b"", "big"),
        addresses=(),
    )


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", sys.byteorder)


def set_name(index: int, name: str, what: str, alias: str = "") -> None:
    """Give a device that is down its name and alias, which `ip link` shows: nobody sees the one without the other."""
    words = attribute(_IFLA_IFNAME, name.encode())
    _set(index, what, words + (attribute(_IFLA_IFALIAS, alias.encode()) if alias else b""))


def come_out(index: int, name: str, alias: str) -> None:
    """Give a device that is down its name and alias, and bring it up: nobody sees one of these without the others."""
    words = attribute(_IFLA_IFNAME, name.encode()) + attribute(_IFLA_IFALIAS, alias.encode())
    _set(index, f"making device {name}", words, flags=_IFF_UP, which=_IFF_UP)


def set_up(index: int) -> None:
    """Bring a device up. KernelError if it will not (for a VXLAN device: its UDP port is in use)."""
    _set(index, "bringing the device up", flags=_IFF_UP, which=_IFF_UP)


def set_mac(index: int, mac: str) -> None:
    """Give a device its MAC."""
    _set(index, f"giving the device the MAC {mac}", attribute(_IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))))


def set_mtu(index: int, mtu: int) -> None:
    """Give a device its MTU, in bytes."""
    _set(index, f"setting the device's MTU to {mtu}", attribute(_IFLA_MTU, struct.pack("=I", mtu)))


def set_promiscuous(index: int, *, on: bool) -> None:
    """Let a device take frames for every MAC, or only for its own again."""
    _set(index, "setting the device's promiscuous mode", flags=_IFF_PROMISC if on else 0, which=_IFF_PROMISC)


def create_veth(name: str, peer: str, *, peer_mtu: int) -> None:
    """Make two devices that are connected, both down."""
    other = _link(0) + attribute(_IFLA_IFNAME, peer.encode()) + attribute(_IFLA_MTU, struct.pack("=I", peer_mtu))
    data = attribute(_VETH_PEER, other)
    info = attribute(_INFO_KIND, b"veth") + attribute(_INFO_DATA | NESTED, data)
    body = _link(0) + attribute(_IFLA_IFNAME, name.encode()) + attribute(_IFLA_LINKINFO | NESTED, info)
    _do(_RTM_NEWLINK, body, "creating a veth", NLM_F_CREATE | NLM_F_EXCL)


def create_bridge(name: str) -> None:
    """Make a Linux bridge, down."""
    info = attribute(_INFO_KIND, b"bridge")
    body = _link(0) + attribute(_IFLA_IFNAME, name.encode()) + attribute(_IFLA_LINKINFO | NESTED, info)
    _do(_RTM_NEWLINK, body, "creating a bridge", NLM_F_CREATE | NLM_F_EXCL)


def set_master(index: int, master: int) -> None:
    """Put a device below a bridge; 0: below none."""
    what = "putting the device below a bridge" if master else "taking the device from its bridge"
    _set(index, what, attribute(_IFLA_MASTER, struct.pack("=I", master)))


def delete(index: int) -> None:
    """Delete a device."""
    _do(_RTM_DELLINK, _link(index), "deleting the device")


def delete_together(indexes: Iterable[int]) -> None:
    """Delete devices, in the time that one takes: each alone waits 18 ms for all CPUs (an RCU grace period)."""
    chosen = attribute(_IFLA_GROUP, struct.pack("=I", _DOOMED))
    some = False
    for index in indexes:
        _set(index, "choosing the device to be deleted", chosen)
        some = True
    if some:
        _do(_RTM_DELLINK, _link(0) + chosen, "deleting devices")


def _set(index: int, what: str, attributes_: bytes = b"", *, flags: int = 0, which: int = 0) -> None:
    _do(_RTM_NEWLINK, _link(index, flags=flags, which=which) + attributes_, what)


def _link(index: int, *, flags: int = 0, which: int = 0) -> bytes:
    """Return the fixed part of a link's message; ``which`` of its flags are to be as in ``flags``."""
    return struct.pack("=BxHiII", 0, 0, index, flags, which)


def _do(message: int, body: bytes, what: str, flags: int = 0) -> None:
    for _ in talk(message, NLM_F_ACK | flags, body, what):
        pass


class Filter(NamedTuple):
    """Where a filter is in a device's clsact; ``handle`` is 0 unless it is an eBPF program's."""

    priority: int
    handle: int


def ingress_filters(index: int) -> list[Filter]:
    """Return the filters at a device's ingress, whoever put them there, in the order they run."""
    found = []
    body = struct.pack("=BxxxiIII", 0, index, 0, _CLSACT_INGRESS, 0)
    for reply in talk(_RTM_GETTFILTER, NLM_F_DUMP, body, "reading the filters"):
        handle, _, info = struct.unpack_from("=III", reply, 8)
        values = dict(attributes(reply[_TCMSG:]))
        is_bpf = values.get(_TCA_KIND) == b"bpf\0"
        found += [Filter(info >> 16, handle if is_bpf else 0)]
    return found


def with_clsact() -> frozenset[int]:
    """Return the devices that have a clsact qdisc."""
    with netlink("reading the qdiscs") as ip:
        return frozenset(qdisc["index"] for qdisc in ip.get_qdiscs() if qdisc.get("kind") == "clsact")


def remove_empty_clsact(index: int) -> None:
    """Take away the device's clsact qdisc if no program of anybody is left on it."""
    with netlink("removing clsact") as ip:
        sides = (_CLSACT_INGRESS, _CLSACT_EGRESS)
        if any(True for side in sides for _ in ip.get_filters(index=index, parent=side)):
            return
        try:
            ip.tc("del", "clsact", index=index, parent=0xFFFFFFF1, handle=_CLSACT)
        except NetlinkError as error:
            if error.code not in {errno.ENOENT, errno.EINVAL, errno.ENODEV}:  # it is not there
                raise


def set_sysctl(path: str, value: str) -> None:
    """Write ``/proc/sys/net/PATH`` of this network namespace; a file that this kernel does not have is no error."""
    file = Path("/proc/sys/net") / path
    if file.exists():
        file.write_text(value)
