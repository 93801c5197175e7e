# SPDX-License-Identifier: Apache-2.0
"""Making and removing the VTEP of the segments: its VXLAN device, and the program on the underlay device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import overlay, routes
from vxnet.datapath.attach import attach, detach, is_attached
from vxnet.datapath.checks import refuse_taken_port, underlay_of
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY
from vxnet.datapath.layout import MEMBER_INTERNAL, MEMBER_PORT, MEMBER_TUNNEL

if TYPE_CHECKING:
    from vxnet.datapath.devices import Devices
    from vxnet.datapath.parts import Parts
    from vxnet.model import Vtep


def add(parts: Parts, vtep: Vtep) -> None:
    """Make the VTEP, or repair it: the device first, then the maps, then the programs."""
    present = net.devices()
    underlay = underlay_of(vtep, present, parts.run_dir)
    old = parts.vtep
    if old.overlay and old.underlay != underlay.index:
        # The address has moved to another device: groups are joined on the device that the VXLAN device was made for.
        _leave_underlay(parts, present)
        overlay.remove(parts, old.dstport)
    if overlay.of(parts, vtep.dstport) is None:
        refuse_taken_port(vtep.dstport, "vtep.dstport", present, parts.run_dir)
    device = overlay.make(parts.run_dir, vtep.dstport, "vtep.dstport", underlay)
    overlay.put(parts, device, vtep.dstport, vtep, underlay)
    if underlay.ethernet:
        # Packets without an Ethernet header (WireGuard, a TUN) the program cannot read: the VXLAN device takes them.
        attach(underlay.index, parts.program(UNDERLAY), parts.maps.instance)


def remove(parts: Parts) -> None:
    """Take the VTEP away."""
    value = parts.vtep
    _leave_underlay(parts, net.devices())
    overlay.remove(parts, value.dstport)


def _leave_underlay(parts: Parts, present: Devices) -> None:
    value = parts.vtep
    if value.underlay in present.by_index:
        detach(value.underlay, parts.maps.instance)
        for group in routes.group_routes(value.underlay, value.dstport):
            routes.remove_group_route(group, value.underlay, value.dstport)


def replace_programs(parts: Parts) -> None:
    """Put this build's programs in the place of another build's: at any moment a device has the one or the other."""
    places = {value.overlay: OVERLAY for _, value in parts.maps.vteps.items()}
    places |= {parts.vtep.underlay: UNDERLAY} if parts.vtep.underlay else {}
    members = parts.slots.members.values()
    places |= {member.ifindex: UNDERLAY for member in members if member.kind == MEMBER_TUNNEL and member.ifindex}
    places |= {member.ifindex: ACCESS for member in members if member.kind == MEMBER_PORT}
    internal = {member.ifindex for member in members if member.flags & MEMBER_INTERNAL}
    for index, program in places.items():
        if is_attached(index, program, parts.maps.instance):
            attach(index, parts.program(program), parts.maps.instance, quickly=index in internal)
