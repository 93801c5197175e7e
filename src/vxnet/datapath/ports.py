# SPDX-License-Identifier: Apache-2.0
"""Attaching a port to its segment or bridge, and taking it off.

the device, if it is an internal port's -> member, VLANs, sources -> ports -> the program on the device -> flood list
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import flooding, headroom, internal, vlans
from vxnet.datapath.actual import takes_peer
from vxnet.datapath.attach import attach, detach
from vxnet.datapath.checks import port_device
from vxnet.datapath.kernel import ACCESS
from vxnet.datapath.layout import (
    DOMAIN_BRIDGE,
    MEMBER_INTERNAL,
    MEMBER_LOOP,
    MEMBER_PEER,
    MEMBER_PORT,
    MEMBER_SECURED,
    Member,
)
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from vxnet.datapath.devices import Device, Devices
    from vxnet.datapath.layout import Domain
    from vxnet.datapath.parts import Parts
    from vxnet.model import Port


def add(parts: Parts, port: Port, present: Devices) -> None:
    """Attach the port, or bring what is there of it to these settings. A segment's device that is down comes up."""
    maps, slots = parts.maps, parts.slots
    domain = slots.domain_of(port.segment)
    if domain is None:
        message = f"port {port.device}: {port.segment} is not there"
        raise KernelError(message)
    device = _device(parts, port, present)
    slot = slots.port(port.device)
    if slot and (slots.members[slot].domain, slots.members[slot].ifindex) != (domain, device.index):
        # Another segment, or another device that has taken the name: nothing of the old one stays.
        _detach(parts, slot)
        slot = None
    if not device.up and not slots.domains[domain].flags & DOMAIN_BRIDGE:
        net.set_up(device.index)
        device = net.device(device.index) or device
    if port.mtu and not port.internal and device.mtu != port.mtu:
        net.set_mtu(device.index, port.mtu)
    member = _member(port, device, domain, slots.domains[domain])
    if slot:
        member.flags |= slots.members[slot].flags & MEMBER_LOOP
    slot = slot or slots.free_members(1)[0]
    vlans.put(maps, slot, port.vlans)
    if port.sources is not None:
        parts.sources.put(slot, port.sources)
    slots.put_members({slot: member})
    vlans.forget_old(maps, slot, port.vlans)
    if port.sources is None:
        parts.sources.forget(slot)
    maps.ports.put(c_uint32(device.index), c_uint32(slot))
    if device.filters_macs:
        # The VMs behind it have MACs of their own. Once there is a member that says whose doing it is.
        net.set_promiscuous(device.index, on=True)
    try:
        # First the way out: a machine that hears a question before that answers into nothing, and asks for the way to
        # who asked, in vain too, a second later again.
        attach(device.index, parts.program(ACCESS), maps.instance, quickly=port.internal)
    finally:
        flooding.rewrite(maps, slots, domain)
    if not port.internal:
        headroom.announce(device, parts.run_dir, present)


def _member(port: Port, device: Device, slot: int, domain: Domain) -> Member:
    flags = MEMBER_PEER if takes_peer(device, domain) else 0
    flags |= MEMBER_INTERNAL if port.internal else 0
    flags |= 0 if port.sources is None else MEMBER_SECURED
    member = Member(kind=MEMBER_PORT, domain=slot, ifindex=device.index, flags=flags, name=port.device.encode())
    vlans.describe(member, port.vlans)
    member.storm_control = port.storm_control or 0
    return member


def _device(parts: Parts, port: Port, present: Devices) -> Device:
    """Return the device to attach: the one of the port's name, or our end of an internal port."""
    if not port.internal:
        return port_device(port, parts.vtep.underlay, present, parts.run_dir)
    inner = internal.make(parts.run_dir, port)
    internal.settle(port)
    return inner


def remove(parts: Parts, port: Port) -> None:
    """Take the port off its segment or bridge; its device may be gone already. An internal port's goes after it.

    Its deletion is put off (`Parts.doomed`), as several devices are deleted in the time of one.
    """
    slot = parts.slots.port(port.device)
    if slot is None:
        return
    if parts.slots.members[slot].flags & MEMBER_INTERNAL:
        parts.doomed.add(port.device)
    _detach(parts, slot)


def _detach(parts: Parts, slot: int) -> None:
    maps, slots = parts.maps, parts.slots
    member = slots.members[slot]
    if device := net.device(member.ifindex):
        headroom.withdraw(device, parts.run_dir)
        detach(device.index, maps.instance)
        if device.filters_macs:
            net.set_promiscuous(device.index, on=False)
    maps.ports.remove(c_uint32(member.ifindex))
    slots.free_member(slot)
    vlans.forget(maps, slot)
    parts.sources.forget(slot)
    if member.domain in slots.domains:
        flooding.rewrite(maps, slots, member.domain)
