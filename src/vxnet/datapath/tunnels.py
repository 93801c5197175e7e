# SPDX-License-Identifier: Apache-2.0
"""Making, changing and removing a tunnel of a bridge.

    VXLAN device of its UDP port (with the first tunnel there) -> member, VLANs -> flood list -> arrivals

Removing goes the other way round, and the last tunnel of a UDP port takes the VXLAN device with it.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import flooding, listening, overlay, vlans
from vxnet.datapath.checks import refuse_taken_port
from vxnet.datapath.tunnelmember import arrival, member_of
from vxnet.errors import HostError, KernelError

if TYPE_CHECKING:
    from vxnet.datapath.parts import Parts
    from vxnet.model import Tunnel


def add(parts: Parts, tunnel: Tunnel) -> None:
    """Make the tunnel, or bring it to these settings; what was learned behind it stays.

    HostError if its UDP port is in use, or another tunnel takes the same packets.
    """
    slots, maps = parts.slots, parts.maps
    domain = slots.domain_of(tunnel.bridge)
    if domain is None:
        message = f"tunnel {tunnel.name}: bridge {tunnel.bridge} is not there"
        raise KernelError(message)
    slot = slots.tunnel(tunnel.name)
    if slot and slots.members[slot].domain != domain:
        remove(parts, tunnel)
        slot = None
    member = member_of(tunnel, domain)
    key = arrival(member)
    taken = maps.arrivals.get(key)
    if taken and taken.value != slot:
        message = f"tunnel {tunnel.name}: takes the same packets as {slots.members[taken.value].name.decode()}"
        raise HostError(message)
    if overlay.of(parts, tunnel.dstport) is None:
        refuse_taken_port(tunnel.dstport, f"tunnel {tunnel.name}", net.devices(), parts.run_dir)
        overlay.put(parts, overlay.make(parts.run_dir, tunnel.dstport, f"tunnel {tunnel.name}"), tunnel.dstport)
    old = slots.members[slot] if slot else None
    if old and old.remote.ip() == tunnel.remote:
        member.ifindex = old.ifindex
    slot = slot or slots.free_members(1)[0]
    vlans.put(maps, slot, tunnel.vlans)
    slots.put_members({slot: member})
    vlans.forget_old(maps, slot, tunnel.vlans)
    flooding.rewrite(maps, slots, domain)
    maps.arrivals.put(key, c_uint32(slot))
    if old and bytes(arrival(old)) != bytes(key):
        maps.arrivals.remove(arrival(old))
    if old and old.dstport != tunnel.dstport:
        overlay.remove_unused(parts, old.dstport)


def remove(parts: Parts, tunnel: Tunnel) -> None:
    """Take the tunnel away; nothing there is fine."""
    slots, maps = parts.slots, parts.maps
    slot = slots.tunnel(tunnel.name)
    if slot is None:
        return
    member = slots.members[slot]
    maps.arrivals.remove(arrival(member))
    slots.free_member(slot)
    listening.leave(parts, member.ifindex)
    vlans.forget(maps, slot)
    if member.domain in slots.domains:
        flooding.rewrite(maps, slots, member.domain)
    overlay.remove_unused(parts, member.dstport)
