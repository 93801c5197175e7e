# SPDX-License-Identifier: Apache-2.0
"""What must hold on this host before a plan is carried out: devices there and free, the address ours, the port unused.

All of it is asked before the first change, so that a mistake in a host file leaves what runs as it is.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from vxnet.datapath import attach
from vxnet.datapath.devices import devices
from vxnet.datapath.kernel import ACCESS, UNDERLAY, alias, owner_of
from vxnet.datapath.unfinished import is_unfinished
from vxnet.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices
    from vxnet.model import HostState, IPAddress, Port, Vtep


def check(desired: HostState, run_dir: Path) -> None:
    """HostError, one line that begins with the field, for the first thing that stands in the way of ``desired``."""
    for port, fault in unusable_ports(desired, run_dir).items():
        message = f"ports[{desired.ports.index(port)}].device: {fault}"
        raise HostError(message)


def unusable_ports(desired: HostState, run_dir: Path) -> dict[Port, str]:
    """Return the ports whose devices cannot be attached now, and why. HostError if the VTEP itself cannot be made."""
    present, faults, underlay = devices(), {}, 0
    if desired.vtep:
        underlay = underlay_of(desired.vtep, present, run_dir).index
        refuse_taken_port(desired.vtep.dstport, "vtep.dstport", present, run_dir)
    for port in desired.ports:
        try:
            port_device(port, underlay, present, run_dir)
        except HostError as error:
            faults[port] = str(error)
    return faults


def underlay_of(vtep: Vtep, present: Devices, run_dir: Path) -> Device:
    """Return the device that holds the VTEP's address. HostError if there is none, or it cannot carry VXLAN."""
    device = _holder("vtep.local", vtep.local, present)
    if device.loopback:
        message = f"vtep.local: {vtep.local} is on {device.name}, which leads to no other host"
        raise HostError(message)
    if not device.up:
        message = f"vtep.local: {vtep.local} is on {device.name}, which is down; `ip link set {device.name} up`"
        raise HostError(message)
    if owner := _owner(device, run_dir, (ACCESS,)):
        message = f"vtep.local: {vtep.local} is on {device.name}, which is a port of {owner}"
        raise HostError(message)
    if vtep.local6 and (other := _holder("vtep.local6", vtep.local6, present)) != device:
        message = f"vtep.local6: {vtep.local6} is on {other.name}; it belongs on {device.name}, as vtep.local"
        raise HostError(message)
    return device


def _holder(field: str, address: IPAddress, present: Devices) -> Device:
    device = present.holding(address)
    if device is None:
        known = ((a, d) for d in present.by_index.values() for a in d.addresses)
        have = ", ".join(f"{a} on {holder.name}" for a, holder in known if not (a.is_loopback or a.is_link_local))
        message = f"{field}: no device has {address}; this host has {have or 'no address at all'}"
        raise HostError(message)
    return device


def refuse_taken_port(dstport: int, field: str, present: Devices, run_dir: Path) -> None:
    """HostError that begins with ``field`` if a VXLAN device or a socket of somebody else has this UDP port."""
    for device in present.by_index.values():
        if device.kind == "vxlan" and device.vxlan_port == dstport:
            if device.alias == alias(run_dir) or is_unfinished(run_dir, device):
                return
            owner = f" of {device.alias}" if device.alias.startswith("vxnet ") else ""
            message = (
                f"{field}: UDP port {dstport} is in use by VXLAN device {device.name}{owner}; "
                "delete that device or choose another dstport"
            )
            raise HostError(message)
    # The VXLAN device listens on all addresses, IPv6 ones too.
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
        try:
            _bind(family, anywhere, dstport)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = (
                    f"{field}: UDP port {dstport} is in use by another program; "
                    f"`ss -ulpn sport = {dstport}` names it; end it or choose another dstport"
                )
                raise HostError(message) from error
            # EACCES: below 1024, and this process may not try (daemon/privileges.py); the device's coming up will tell.
            if error.errno not in {errno.EACCES, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                raise


def _bind(family: socket.AddressFamily, address: str, port: int) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind((address, port))


def port_device(port: Port, underlay: int, present: Devices, run_dir: Path) -> Device:
    """Return the device of a port; HostError if it is missing, or somebody else's. ``underlay``: its index, or 0."""
    device = present.by_name.get(port.device)
    if device is None:
        message = f"device {port.device} does not exist"
        raise HostError(message)
    if not device.ethernet:
        message = f"device {port.device} is not an Ethernet device"
        raise HostError(message)
    if device.index == underlay:
        message = f"device {port.device} holds vtep.local; the underlay device cannot be a port"
        raise HostError(message)
    if device.kind == "vxlan":
        message = f"device {port.device} is a VXLAN device; a port is on the tenants' side"
        raise HostError(message)
    if owner := _owner(device, run_dir, (ACCESS, UNDERLAY)):
        message = f"device {port.device} is busy: {owner} uses it"
        raise HostError(message)
    master = present.by_index.get(device.master)
    if device.master and (master is None or master.alias != alias(run_dir)):
        holder = master.name if master else "another device"
        message = f"device {port.device} is busy: it belongs to {holder}; `ip link set {port.device} nomaster`"
        raise HostError(message)
    return device


def _owner(device: Device, run_dir: Path, programs: tuple[str, ...]) -> str:
    """Return which other vxnet has one of these programs on the device; empty for none."""
    there = (found.program for found in attach.programs(device.index) if found.program.name in programs)
    owners = (owner_of(program) or "another version of vxnet" for program in there)
    return next((owner for owner in owners if owner != alias(run_dir)), "")
