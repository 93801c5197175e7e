# SPDX-License-Identifier: Apache-2.0
"""Room for the outer headers, from the beginning: the veth's end in a VM makes its packets with 50 bytes to spare.

    bridge "vxnet4789br", down          one for each run directory
        |-- vxnet4789 ...               VXLAN devices: say how much room is needed
        '-- port, port, ...             veths: tell their other ends

Where the room is missing the kernel copies the head of each packet to a larger one. A veth's other end leaves as much
as it was told to, and of all that can tell it, only the bridge is there on every Linux. So there is a bridge, for this
alone. It forwards nothing: it is down, and our programs take frames before a bridge would.

It is a matter of speed. A port that cannot be below the bridge (it has 1023 places, and a veth may have a macvlan on
top) does without. TAPs leave enough room anyway, and a network card makes no packets. Internal ports are made by the
hundred, and leave their places to others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath.attach import is_attached
from vxnet.datapath.kernel import ACCESS, alias
from vxnet.datapath.layout import MEMBER_INTERNAL, MEMBER_PORT
from vxnet.datapath.unfinished import finish, unfinished
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices
    from vxnet.datapath.parts import Parts

log = logging.getLogger("vxnetd")


def is_below(device: Device, run_dir: Path) -> bool:
    """Tell whether a device is below the bridge of ``run_dir``."""
    master = net.device(device.master) if device.master else None
    return master is not None and master.alias == alias(run_dir)


def need(parts: Parts, overlay: Device) -> None:
    """Put a VXLAN device below the bridge, which is made if it is not there; then the ports that are there already."""
    if is_below(overlay, parts.run_dir):
        return
    bridge = _bridge(parts.run_dir, net.devices())
    if bridge is None:
        name = f"{overlay.name}br"
        with unfinished(parts.run_dir) as (made, _):
            net.create_bridge(made)
            bridge = finish(parts.run_dir, made, name, "bridge")
    net.set_master(overlay.index, bridge.index)
    for member in parts.slots.members.values():
        may_be = member.kind == MEMBER_PORT and not member.flags & MEMBER_INTERNAL
        if may_be and (port := _attached(parts, member.ifindex)):
            _put_below(port, bridge)


def _attached(parts: Parts, ifindex: int) -> Device | None:
    return net.device(ifindex) if is_attached(ifindex, ACCESS, parts.maps.instance) else None


def announce(device: Device, run_dir: Path, present: Devices) -> None:
    """Let a port's other end leave room, once the port has its program: no frame gets to the bridge then."""
    if not device.master and (bridge := _bridge(run_dir, present)):
        _put_below(device, bridge)


def _put_below(device: Device, bridge: Device) -> None:
    if device.kind == "veth" and not device.master:
        try:
            net.set_master(device.index, bridge.index)
        except KernelError as error:
            log.info("%s: packets come without room for the outer headers: %s", device.name, error)


def withdraw(device: Device, run_dir: Path) -> None:
    """Take a port from the bridge, if it is there, before its program goes."""
    if is_below(device, run_dir):
        net.set_master(device.index, 0)


def remove_unused(parts: Parts) -> None:
    """Take the bridge away if there is no VXLAN device any more; ports that are left leave it."""
    bridge = _bridge(parts.run_dir, net.devices())
    if bridge and not any(True for _ in parts.maps.vteps.items()):
        net.delete(bridge.index)


def _bridge(run_dir: Path, present: Devices) -> Device | None:
    mine, there = alias(run_dir), present.by_index.values()
    return next((device for device in there if device.kind == "bridge" and device.alias == mine), None)
