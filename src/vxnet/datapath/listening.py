# SPDX-License-Identifier: Apache-2.0
"""Where the packets of bridges' tunnels arrive: the program on the devices that lead to their remotes.

A segment's VTEP has one address and so one underlay device, and is asked for by name. A tunnel leaves that to the
routing table: so this follows it, beside the plan, whenever something was changed here, or a route, an address or a
device has changed.

    remote --route--> device: vxnet_underlay at its ingress
    every address of this host that a tunnel may be sent to: LISTENING in `arrivals`

Without it packets are taken all the same, by the kernel's VXLAN device: the fast path is what is gained.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath.attach import attach, detach, is_attached
from vxnet.datapath.kernel import UNDERLAY
from vxnet.datapath.layout import LISTENING, MEMBER_TUNNEL, Address, ArrivalKey
from vxnet.datapath.routes import way_to

if TYPE_CHECKING:
    from vxnet.datapath.devices import Devices
    from vxnet.datapath.layout import Member
    from vxnet.datapath.parts import Parts
    from vxnet.model import IPAddress


def follow(parts: Parts, *, routes: bool) -> None:
    """Bring programs and entries to where they belong. ``routes``: ask anew for all remotes, not only for new ones."""
    ports = {value.dstport for _, value in parts.maps.vteps.items() if not value.local.ip()}
    tunnels = {slot: m for slot, m in parts.slots.members.items() if m.kind == MEMBER_TUNNEL and m.dstport in ports}
    if not tunnels:
        return
    present = net.devices()
    before = {member.ifindex for member in tunnels.values()}
    asked: dict[IPAddress, int] = {}
    for slot, member in tunnels.items():
        remote = member.remote.ip()
        if remote and (routes or member.ifindex not in present.by_index):
            if remote not in asked:
                asked[remote] = way_to(remote)
            if asked[remote] != member.ifindex:
                member.ifindex = asked[remote]
                parts.slots.put_members({slot: member})
    leading = (present.by_index.get(member.ifindex) for member in tunnels.values())
    # Packets without an Ethernet header (WireGuard, a TUN) the program cannot read; those on lo never leave the host.
    _attach(parts, {device.index for device in leading if device and device.ethernet}, before)
    _listen(parts, list(tunnels.values()), present)


def _attach(parts: Parts, wanted: set[int], before: set[int]) -> None:
    instance = parts.maps.instance
    for ifindex in wanted:
        # A port has a program of ours already, and one is enough.
        if parts.maps.ports.get(c_uint32(ifindex)) is None and not is_attached(ifindex, UNDERLAY, instance):
            attach(ifindex, parts.program(UNDERLAY), instance)
    for ifindex in before - wanted - {0}:
        leave(parts, ifindex)


def leave(parts: Parts, ifindex: int) -> None:
    """Take the program off a device that no tunnel's packets arrive at any more."""
    members = parts.slots.members.values()
    used = ifindex == parts.vtep.underlay or any(m.kind == MEMBER_TUNNEL and m.ifindex == ifindex for m in members)
    if not used and is_attached(ifindex, UNDERLAY, parts.maps.instance):
        detach(ifindex, parts.maps.instance)


def _listen(parts: Parts, tunnels: list[Member], present: Devices) -> None:
    """Let the program take packets to the addresses of the tunnels, or, where one leaves that open, to all."""
    addresses = {address for d in present.by_index.values() for address in d.addresses if not address.is_loopback}
    wanted = set()
    for member in tunnels:
        local = member.local.ip()
        wanted |= {(member.dstport, address) for address in ({local} & addresses if local else addresses)}
    ports = {member.dstport for member in tunnels}
    there = {
        (key.dstport, address)
        for key, _ in parts.maps.arrivals.items()
        if key.vni == LISTENING and key.dstport in ports and (address := key.local.ip())
    }
    for dstport, address in wanted - there:
        parts.maps.arrivals.put(ArrivalKey(LISTENING, dstport, Address.of(address)), c_uint32(0))
    for dstport, address in there - wanted:
        parts.maps.arrivals.remove(ArrivalKey(LISTENING, dstport, Address.of(address)))
