# SPDX-License-Identifier: Apache-2.0
"""What must hold on this host before a plan is carried out: devices there and free, the address ours, the port unused.

All of it is asked before the first change, so that a mistake in a host file leaves what runs as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import libbpf
from vxnet.datapath.devices import devices
from vxnet.datapath.kernel import ACCESS, HANDLE, alias
from vxnet.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices
    from vxnet.model import HostState, Port, Vtep


def check(desired: HostState, run_dir: Path) -> None:
    """HostError, one line, for the first thing that stands in the way of ``desired``."""
    if desired.vtep is None:
        return
    present = devices()
    underlay = underlay_of(desired.vtep, present)
    refuse_taken_port(desired.vtep, present, run_dir)
    for port in desired.ports:
        port_device(port, underlay, present, run_dir)


def underlay_of(vtep: Vtep, present: Devices) -> Device:
    """Return the device that holds the VTEP's address."""
    device = present.holding(vtep.local)
    if device is None:
        known = ((a, d) for d in present.by_index.values() for a in d.addresses if not a.is_loopback)
        have = ", ".join(f"{address} on {holder.name}" for address, holder in known)
        message = f"vtep.local: no device has {vtep.local}; this host has {have or 'no address at all'}"
        raise HostError(message)
    if not device.ethernet:
        message = f"vtep.local: {vtep.local} is on {device.name}, which is not an Ethernet device"
        raise HostError(message)
    return device


def refuse_taken_port(vtep: Vtep, present: Devices, run_dir: Path) -> None:
    """HostError if another VXLAN device listens on the VTEP's UDP port."""
    for device in present.by_index.values():
        if device.kind == "vxlan" and device.vxlan_port == vtep.dstport and device.alias != alias(run_dir):
            owner = f" of {device.alias}" if device.alias.startswith("vxnet ") else ""
            message = (
                f"vtep.dstport: UDP port {vtep.dstport} is in use by VXLAN device {device.name}{owner}; "
                "delete that device or choose another dstport"
            )
            raise HostError(message)


def port_device(port: Port, underlay: Device, present: Devices, run_dir: Path) -> Device:
    """Return the device of a port; HostError if it is missing, or somebody else's."""
    device = present.by_name.get(port.device)
    if device is None:
        message = f"ports: device {port.device} does not exist"
        raise HostError(message)
    if not device.ethernet:
        message = f"ports: device {port.device} is not an Ethernet device"
        raise HostError(message)
    if device.index == underlay.index:
        message = f"ports: device {port.device} holds vtep.local; the underlay device cannot be a port"
        raise HostError(message)
    if device.master:
        master = present.by_index[device.master].name if device.master in present.by_index else "another device"
        message = f"ports: device {port.device} is busy: it belongs to {master}; `ip link set {port.device} nomaster`"
        raise HostError(message)
    if device.kind == "vxlan":
        message = f"ports: device {port.device} is a VXLAN device; a port is on the tenants' side"
        raise HostError(message)
    for other in present.by_index.values():
        if other.kind == "vxlan" and other.alias.startswith("vxnet ") and other.alias != alias(run_dir):
            prog_id = libbpf.tc_query(device.index, HANDLE, other.vxlan_port)
            program = libbpf.program_by_id(prog_id) if prog_id else None
            if program and program.name == ACCESS:
                message = f"ports: device {port.device} is busy: it is a port of {other.alias}"
                raise HostError(message)
    return device
