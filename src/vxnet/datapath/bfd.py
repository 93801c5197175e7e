# SPDX-License-Identifier: Apache-2.0
"""The management VNI, in which BFD is spoken with the remotes (RFC 8971): made and taken away, and read back.

    add      settings in `state`, a member of no domain, its senders -> arrivals -> VNI filter

The programs give tenants nothing of that VNI, and the daemon nothing of any other. See voice.py for the daemon's side.
"""

from __future__ import annotations

from ctypes import c_uint32
from ipaddress import ip_network
from typing import TYPE_CHECKING

from vxnet.datapath import segments, vxlandev
from vxnet.datapath.layout import MEMBER_BFD, MEMBER_DF, Member, State
from vxnet.datapath.vxlandev import FilterEntry
from vxnet.model import Bfd

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from vxnet.datapath.layout import VtepValue
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.parts import Parts

_NAME = "bfd"
_TTL = 64
_CS6 = 0xC0
"""Network control (RFC 2474), as other BFD speakers mark it: a full queue of tenants' packets is no dead remote."""

_ZERO = c_uint32(0)


def add(parts: Parts, bfd: Bfd) -> None:
    """Make the management VNI, or bring what is there of it to these settings."""
    maps, value = parts.maps, parts.vtep
    slot = parts.slots.bfd() or parts.slots.free_members(1)[0]
    state = maps.state.get(_ZERO) or State()
    state.bfd_min_tx, state.bfd_min_rx, state.bfd_detect_mult = bfd.min_tx, bfd.min_rx, bfd.detect_mult
    maps.state.put(_ZERO, state)
    senders = tuple(f"{remote}/{remote.max_prefixlen}" for remote in bfd.remotes)
    member = Member(
        kind=MEMBER_BFD,
        flags=MEMBER_DF,
        vni=bfd.vni,
        vni_out=bfd.vni,
        dstport=value.dstport,
        senders=parts.senders.write([senders])[senders],
        ttl=_TTL,
        tos=_CS6,
        local=value.local,
        name=_NAME.encode(),
    )
    parts.slots.put_members({slot: member})
    parts.senders.keep(parts.slots.lists)
    for key in segments.arrivals(value, bfd.vni):
        maps.arrivals.put(key, c_uint32(slot))
    entry = FilterEntry(bfd.vni, None)
    if entry not in vxlandev.vnis(value.overlay):
        vxlandev.add_vnis(value.overlay, [entry])


def remove(parts: Parts) -> None:
    """Take it away; nothing there is fine."""
    slot = parts.slots.bfd()
    if slot is None:
        return
    value, vni = parts.vtep, parts.slots.members[slot].vni
    entry = FilterEntry(vni, None)
    if entry in vxlandev.vnis(value.overlay):
        vxlandev.remove_vnis(value.overlay, [entry])
    for key in segments.arrivals(value, vni):
        parts.maps.arrivals.remove(key)
    parts.slots.free_member(slot)
    parts.senders.keep(parts.slots.lists)


def read(
    maps: Maps, vni: int, senders: Iterable[str], value: VtepValue, taken: Container[FilterEntry]
) -> tuple[Bfd, str]:
    """Return what is there, and what is wrong with it, "" for nothing. ``taken``: the VXLAN device's VNIs."""
    state = maps.state.get(_ZERO) or State()
    remotes = (ip_network(prefix).network_address for prefix in senders)
    bfd = Bfd(
        vni=vni,
        min_tx=state.bfd_min_tx,
        min_rx=state.bfd_min_rx,
        detect_mult=state.bfd_detect_mult,
        remotes=tuple(sorted(remotes, key=lambda a: (a.version, a))),
    )
    if not all(map(maps.arrivals.get, segments.arrivals(value, vni))):
        return bfd, "half made"
    return bfd, "" if FilterEntry(vni, None) in taken else f"VNI {vni} is missing in the VXLAN device"
