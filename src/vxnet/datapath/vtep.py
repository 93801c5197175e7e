# SPDX-License-Identifier: Apache-2.0
"""Making and removing the VTEP: the slow path's VXLAN device, and the programs on it and on the underlay device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import dropped, vxlandev
from vxnet.datapath.attach import attach, detach, is_attached
from vxnet.datapath.checks import refuse_taken_port, underlay_of
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, alias, overlay_name
from vxnet.datapath.layout import LAYOUT_VERSION, MEMBER_PORT, Address
from vxnet.datapath.orphans import remove_orphans
from vxnet.datapath.parts import Parts
from vxnet.errors import HostError, KernelError, VxnetError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices
    from vxnet.model import Vtep


def add(run_dir: Path, parts: Parts | None, vtep: Vtep) -> Parts:
    """Make the VTEP, or repair it. If a new one cannot be made, nothing of it is left."""
    if parts:
        _make(parts, vtep)
        return parts
    remove_orphans(run_dir)
    parts = Parts.loaded(run_dir)
    try:
        _make(parts, vtep)
    except (VxnetError, OSError):
        parts.close()
        remove_orphans(run_dir)
        raise
    return parts


def _make(parts: Parts, vtep: Vtep) -> None:
    """The device first, then the maps, then the programs."""
    run_dir = parts.run_dir
    present = net.devices()
    underlay = underlay_of(vtep, present, run_dir)
    overlay = present.by_name.get(overlay_name(vtep.dstport))
    if overlay and overlay.alias == alias(run_dir) and parts.vtep.underlay != underlay.index:
        # The address has moved to another device: groups are joined on the device that the VXLAN device was made for.
        _leave_underlay(parts, present)
        dropped.keep(parts.maps, overlay.index, vtep.dstport)
        net.delete(overlay.index)
        overlay = None
    if overlay is None or overlay.alias != alias(run_dir):
        refuse_taken_port(vtep, present, run_dir)
        overlay = _create(run_dir, vtep, underlay)
    net.set_sysctl(f"ipv6/conf/{overlay.name}/disable_ipv6", "1")
    try:
        net.set_up(overlay.index)
    except KernelError as error:
        net.delete(overlay.index)
        message = f"vtep.dstport: UDP port {vtep.dstport} is in use by another program; choose another one ({error})"
        raise HostError(message) from error
    # bpf_fib_lookup() asks on behalf of this device, and is only answered where the host forwards.
    net.set_sysctl(f"ipv4/conf/{overlay.name}/forwarding", "1")
    value = parts.vtep
    value.local = Address.of(vtep.local)
    value.underlay, value.overlay, value.mtu = underlay.index, overlay.index, underlay.mtu
    value.dstport, value.layout = vtep.dstport, LAYOUT_VERSION
    parts.put_vtep(value)
    for index, program in ((overlay.index, OVERLAY), (underlay.index, UNDERLAY)):
        attach(index, parts.programs[program], parts.maps.instance)


def _create(run_dir: Path, vtep: Vtep, underlay: Device) -> Device:
    name = overlay_name(vtep.dstport)
    vxlandev.create(name, underlay=underlay.index, dstport=vtep.dstport)
    device = net.devices().by_name[name]
    net.set_alias(device.index, alias(run_dir))
    return device


def remove(parts: Parts) -> None:
    """Take the VTEP away. With its VXLAN device go the maps, and with them everything that is left."""
    value, present = parts.vtep, net.devices()
    _leave_underlay(parts, present)
    overlay = present.by_index.get(value.overlay)
    if overlay and overlay.alias == alias(parts.run_dir):
        net.delete(overlay.index)
    parts.close()


def _leave_underlay(parts: Parts, present: Devices) -> None:
    value = parts.vtep
    if value.underlay in present.by_index:
        detach(value.underlay, parts.maps.instance)
        for group in net.group_routes(value.underlay, value.dstport):
            net.remove_group_route(group, value.underlay, value.dstport)


def replace_programs(parts: Parts) -> None:
    """Put this build's programs in the place of another build's: at any moment a device has the one or the other."""
    value = parts.vtep
    places = [(value.overlay, OVERLAY), (value.underlay, UNDERLAY)]
    places += [(m.ifindex, ACCESS) for m in parts.slots.members.values() if m.kind == MEMBER_PORT]
    for index, program in places:
        if is_attached(index, program, parts.maps.instance):
            attach(index, parts.programs[program], parts.maps.instance)
