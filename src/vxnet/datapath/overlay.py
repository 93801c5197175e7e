# SPDX-License-Identifier: Apache-2.0
"""The kernel's VXLAN devices, one for each UDP port: made, told to the programs, and taken away."""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import dropped, headroom, vxlandev
from vxnet.datapath.attach import attach
from vxnet.datapath.kernel import OVERLAY, alias, overlay_name
from vxnet.datapath.layout import LISTENING, MEMBER_TUNNEL, Address, VtepValue
from vxnet.datapath.unfinished import finish, unfinished
from vxnet.errors import HostError, KernelError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.devices import Device
    from vxnet.datapath.parts import Parts
    from vxnet.model import Vtep


def make(run_dir: Path, dstport: int, field: str, underlay: Device | None = None) -> Device:
    """Make and bring up the device, or take the one that is there.

    With ``underlay`` it has a VNI filter, and joins groups there; without, it takes every VNI. HostError that begins
    with ``field`` if the UDP port is in use.
    """
    name = overlay_name(dstport)
    device = net.named(name)
    if device is None or device.alias != alias(run_dir):
        with unfinished(run_dir) as (made, _):
            vxlandev.create(made, dstport=dstport, filtered_for=underlay.index if underlay else None)
            device = finish(run_dir, made, name, "VXLAN device")
    net.set_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")
    try:
        net.set_up(device.index)
    except KernelError as error:
        net.delete(device.index)
        message = f"{field}: UDP port {dstport} is in use by another program; choose another one ({error})"
        raise HostError(message) from error
    # bpf_fib_lookup() asks on behalf of this device, and is only answered where the host forwards.
    for family in ("ipv4", "ipv6"):
        net.set_sysctl(f"{family}/conf/{name}/forwarding", "1")
    return device


def put(parts: Parts, device: Device, dstport: int, vtep: Vtep | None = None, underlay: Device | None = None) -> None:
    """Let the programs know the device, and put theirs on it."""
    value = VtepValue(overlay=device.index, dstport=dstport)
    if vtep and underlay:
        value.local, value.local6 = Address.of(vtep.local), Address.of(vtep.local6 or vtep.local)
        value.underlay, value.mtu = underlay.index, underlay.mtu
    parts.maps.vteps.put(c_uint32(dstport), value)
    parts.maps.overlays.put(c_uint32(device.index), c_uint32(dstport))
    attach(device.index, parts.program(OVERLAY), parts.maps.instance)
    headroom.need(parts, device)


def of(parts: Parts, dstport: int) -> Device | None:
    """Return the device of a UDP port, if it is there and in use."""
    value = parts.maps.vteps.get(c_uint32(dstport))
    device = net.device(value.overlay) if value else None
    ours = device and device.up and device.alias == alias(parts.run_dir) and headroom.is_below(device, parts.run_dir)
    return device if ours else None


def remove_unused(parts: Parts, dstport: int) -> None:
    """Take the device away if no tunnel needs its UDP port any more; that of the VTEP stays as long as this one."""
    if dstport != parts.vtep.dstport and not any(
        m.kind == MEMBER_TUNNEL and m.dstport == dstport for m in parts.slots.members.values()
    ):
        remove(parts, dstport)


def remove(parts: Parts, dstport: int) -> None:
    """Take the device away; none there is fine."""
    value = parts.maps.vteps.get(c_uint32(dstport))
    if value is None:
        return
    parts.maps.vteps.remove(c_uint32(dstport))
    for key, _ in list(parts.maps.arrivals.items()):
        if key.dstport == dstport and key.vni == LISTENING:
            parts.maps.arrivals.remove(key)
    parts.maps.overlays.remove(c_uint32(value.overlay))
    device = net.device(value.overlay)
    if device and device.alias == alias(parts.run_dir):
        dropped.keep(parts.maps, device.index, dstport)
        net.delete(device.index)
    headroom.remove_unused(parts)
