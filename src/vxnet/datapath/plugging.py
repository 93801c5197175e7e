# SPDX-License-Identifier: Apache-2.0
"""Making the device of a port: for a namespace (a veth pair) or for a VM (a TAP).

    this host                                namespace NAME
    tap3a8f1c2e-4b ========= veth ========= eth0     the port's MAC, MTU, addresses and routes
      alias iface-id=3a8f1c2e-4b...

The alias tells the agent whose it is. It is set before the device is up, so that nothing is ever half a port; when any
step fails, the device is deleted again, and its other end with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import contextmanager
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from vxnet.datapath import devices as net
from vxnet.errors import HostError, KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path("/run/netns")
"""Where iproute2 keeps the namespaces that have a name."""

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x8000
_IFREQ = struct.Struct("16sH22x")
_IFA_F_NODAD = 0x02
_LONGEST_NAME = 15


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine has to be: ``addresses`` with their prefix length, ``routes`` of destination and next hop."""

    mac: str
    mtu: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]


def plug_namespace(device: str, alias: str, netns: str, inner: str, machine: Machine) -> None:
    """Make ``device`` here and ``inner`` in the namespace (a name, or a path), as ``machine`` has it.

    HostError if the namespace is not there or a device has one of the names already.
    """
    _refuse(device)
    _check_name(inner)
    path = _namespace(netns)
    with _inside(path) as there:
        if there.link_lookup(ifname=inner):
            raise HostError(f"namespace {netns} has a device {inner} already; choose another --device")
    with _undone(device), net.netlink(f"making {device}") as here, _file(path) as namespace:
        here.link("add", ifname=device, kind="veth", peer={"ifname": inner, "net_ns_fd": namespace})
        with _inside(path) as there:
            _furnish(there, inner, machine)
        _settle(device, alias, machine.mtu)


def plug_tap(device: str, alias: str, machine: Machine) -> None:
    """Make a TAP that stays when nobody has it open, for a VM whose MAC is ``machine``'s. HostError if it is there."""
    _refuse(device)
    with _undone(device):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(tap, _TUNSETIFF, _IFREQ.pack(device.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_TUN_EXCL))
            fcntl.ioctl(tap, _TUNSETPERSIST, 1)
        finally:
            os.close(tap)
        _settle(device, alias, machine.mtu)


def unplug(device: str) -> None:
    """Delete a device made here, and its other end; none there is fine."""
    if there := net.named(device):
        net.delete_together([there.index])


def holder_of(alias: str) -> str | None:
    """Return the device that has this alias."""
    return next((device.name for device in net.devices().by_index.values() if device.alias == alias), None)


def _refuse(device: str) -> None:
    _check_name(device)
    if net.named(device):
        raise HostError(f"device {device} exists already; `ip link delete {device}` if nothing uses it")


def _check_name(device: str) -> None:
    if not 0 < len(device.encode()) <= _LONGEST_NAME or "/" in device or not device.isprintable() or " " in device:
        raise HostError(f"{device!r} is no name of a device: it has 1 to {_LONGEST_NAME} characters, no space and no /")


def _namespace(netns: str) -> Path:
    path = Path(netns) if "/" in netns else RUN / netns
    if not path.exists():
        names = ", ".join(sorted(there.name for there in RUN.iterdir())) if RUN.is_dir() else ""
        raise HostError(f"there is no network namespace {netns}; there are: {names or 'none'}")
    return path


@contextmanager
def _file(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _inside(path: Path) -> Iterator[Any]:
    """A netlink socket of another namespace. HostError if the path is none."""
    try:
        with IPRoute(netns=str(path)) as ip:
            yield ip
    except NetlinkError as error:
        raise KernelError(f"namespace {path}: {error.args[-1]}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise HostError(f"{path} is no network namespace") from error


@contextmanager
def _undone(device: str) -> Iterator[None]:
    """Delete the device if what is inside fails."""
    try:
        yield
    except BaseException:
        unplug(device)
        raise


def _furnish(there: Any, inner: str, machine: Machine) -> None:  # noqa: ANN401  (pyroute2 has no types)
    """Make the inside what the machine has to be."""
    (index,) = there.link_lookup(ifname=inner)
    there.link("set", index=index, address=machine.mac, mtu=machine.mtu)
    if loopback := there.link_lookup(ifname="lo"):
        there.link("set", index=loopback[0], state="up")
    there.link("set", index=index, state="up")
    for text in machine.addresses:
        address = ip_interface(text)
        # The cluster knows that nobody else has it: there is nothing to be detected (RFC 4862, section 5.4).
        flags = {"flags": _IFA_F_NODAD} if address.version == 6 else {}
        there.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags)
    for destination, hop in (*machine.routes, *(("default", gateway) for gateway in machine.gateways)):
        target = destination if destination == "default" else str(ip_network(destination))
        there.route("add", dst=target, gateway=hop, oif=index, family=_family(hop))


def _family(address: str) -> int:
    return 10 if ":" in address else 2  # AF_INET6, AF_INET


def _settle(device: str, alias: str, mtu: int) -> None:
    """Make this host's end a port's device: nothing of this host speaks on it."""
    there = net.named(device)
    if there is None:
        raise KernelError(f"{device}: was deleted by somebody else while it was being made")
    net.set_sysctl(f"ipv6/conf/{device}/disable_ipv6", "1")
    net.set_mtu(there.index, mtu)
    net.set_alias(there.index, alias)
    net.set_up(there.index)
