# SPDX-License-Identifier: Apache-2.0
"""Making the device of a port: for a namespace (a veth pair) or for a VM (a TAP).

    this host                                namespace NAME
    tap3a8f1c2e-4b ========= veth ========= eth0     the port's MAC, MTU, addresses and routes
      alias iface-id=3a8f1c2e-4b...

The agent knows the device by its name and alias, and attaches it as soon as it sees them. So they are what it gets
last, together with being up: nothing is ever half a port. When any step fails, the device is deleted again, and its
other end with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import struct
from contextlib import contextmanager
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from vxnet.datapath import devices as net
from vxnet.datapath.rtnetlink import netlink
from vxnet.errors import HostError, KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path("/run/netns")
"""Where iproute2 keeps the namespaces that have a name."""

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x8000
_IFREQ = struct.Struct("16sH22x")
_IFA_F_NODAD = 0x02
_NAME = re.compile(r"(?:(?![/:%])[!-~]){1,15}")
_EVERYWHERE = ("0.0.0.0/0", "::/0")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine has to be: ``addresses`` with their prefix length, ``routes`` of destination and next hop."""

    mac: str
    mtu: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]

    @property
    def all_routes(self) -> dict[str, str]:
        """The next hop to each destination; a route to everywhere goes before the gateway of its family."""
        routes = {_EVERYWHERE[":" in gateway]: gateway for gateway in reversed(self.gateways)}
        return routes | {str(ip_network(destination)): hop for destination, hop in self.routes}


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
    with _unfinished() as name, netlink(f"making {device}") as here, _file(path) as namespace:
        here.link("add", ifname=name, kind="veth", peer={"ifname": inner, "net_ns_fd": namespace})
        with _inside(path) as there:
            _furnish(there, inner, machine)
        _finish(name, device, alias, machine.mtu)


def plug_tap(device: str, alias: str, machine: Machine) -> None:
    """Make a TAP that stays when nobody has it open, for a VM whose MAC is ``machine``'s. HostError if it is there."""
    _refuse(device)
    with _unfinished() as name:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(tap, _TUNSETIFF, _IFREQ.pack(name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_TUN_EXCL))
            fcntl.ioctl(tap, _TUNSETPERSIST, 1)
        finally:
            os.close(tap)
        _finish(name, device, alias, machine.mtu)


def unplug(device: str) -> None:
    """Delete a device made here, and its other end; none there is fine."""
    if there := net.named(device):
        net.delete_together([there.index])


def plugged(prefix: str) -> dict[str, str]:
    """Return the name of each device whose alias begins so, by its alias."""
    return {d.alias: d.name for d in net.devices().by_index.values() if d.alias.startswith(prefix)}


def _refuse(device: str) -> None:
    _check_name(device)
    if net.named(device):
        raise HostError(f"device {device} exists already; `ip link delete {device}` if nothing uses it")


def _check_name(device: str) -> None:
    # As in the kernel's dev_valid_name(); it takes a % for a number that it is to choose.
    if not _NAME.fullmatch(device) or device in {".", ".."}:
        raise HostError(
            f"{device!r} is no name of a device: it has 1 to 15 characters, none of them a space or one of / : %"
        )


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
def _unfinished() -> Iterator[str]:
    """A name for a device until it is finished; if that fails, the device is deleted."""
    name = f"plug{os.getpid()}"
    try:
        yield name
    except BaseException:
        unplug(name)
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
    for destination, hop in machine.all_routes.items():
        family = socket.AF_INET6 if ":" in hop else socket.AF_INET
        try:
            there.route("add", dst=destination, gateway=hop, oif=index, family=family)
        except NetlinkError as error:
            if error.code == errno.EEXIST and destination in _EVERYWHERE:
                continue  # a namespace with several ports: it goes on through the first
            raise KernelError(f"the route to {destination} via {hop} cannot be set: {error.args[-1]}") from error


def _finish(name: str, device: str, alias: str, mtu: int) -> None:
    """Make this host's end a port's device: nothing of this host speaks on it."""
    there = net.named(name)
    if there is None:
        raise KernelError(f"{device}: was deleted by somebody else while it was being made")
    net.set_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")
    net.set_mtu(there.index, mtu)
    net.come_out(there.index, device, alias)
