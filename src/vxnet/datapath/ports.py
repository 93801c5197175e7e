# SPDX-License-Identifier: Apache-2.0
"""Attaching a port to its segment and taking it off: member -> ports -> flood list -> the program on the device."""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import flooding
from vxnet.datapath.actual import takes_peer
from vxnet.datapath.attach import attach, detach
from vxnet.datapath.checks import port_device
from vxnet.datapath.kernel import ACCESS
from vxnet.datapath.layout import MEMBER_PEER, MEMBER_PORT, Member
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from vxnet.datapath.devices import Devices
    from vxnet.datapath.parts import Parts
    from vxnet.model import Port


def add(parts: Parts, port: Port, present: Devices) -> None:
    """Attach the port, or repair what is there of it. A device that is down is brought up."""
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    device = port_device(port, present.by_index[value.underlay], present, parts.run_dir)
    domain = slots.domain_of(port.segment)
    if domain is None:
        message = f"port {port.device}: segment {port.segment} is not there"
        raise KernelError(message)
    slot = slots.port(port.device)
    if slot and (slots.members[slot].domain, slots.members[slot].ifindex) != (domain, device.index):
        # Another segment, or another device that has taken the name: nothing of the old one stays.
        remove(parts, port)
        slot = None
    if not device.up:
        net.set_up(device.index)
        device = net.device(device.index) or device
    if device.filters_macs:
        # The VMs behind it have MACs of their own.
        net.set_promiscuous(device.index, on=True)
    flags = MEMBER_PEER if takes_peer(device) else 0
    member = Member(kind=MEMBER_PORT, domain=domain, ifindex=device.index, flags=flags, name=port.device.encode())
    slot = slots.put_member(slot, member)
    maps.ports.put(c_uint32(device.index), c_uint32(slot))
    flooding.rewrite(maps, slots, domain)
    attach(device.index, parts.programs[ACCESS], maps.instance)


def remove(parts: Parts, port: Port) -> None:
    """Take the port off its segment; its device may be gone already."""
    maps, slots = parts.maps, parts.slots
    slot = slots.port(port.device)
    if slot is None:
        return
    member = slots.members[slot]
    if device := net.device(member.ifindex):
        detach(device.index, maps.instance)
        if device.filters_macs:
            net.set_promiscuous(device.index, on=False)
    maps.ports.remove(c_uint32(member.ifindex))
    slots.free_member(slot)
    if member.domain in slots.domains:
        flooding.rewrite(maps, slots, member.domain)
