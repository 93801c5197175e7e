# SPDX-License-Identifier: Apache-2.0
"""Making, changing and removing a bridge: a domain with VLANs inside, whose ports and tunnels come by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import flooding
from vxnet.datapath.layout import DOMAIN_BPDU, DOMAIN_BRIDGE, DOMAIN_LEARNING, Domain

if TYPE_CHECKING:
    from vxnet.datapath.parts import Parts
    from vxnet.model import Bridge


def add(parts: Parts, bridge: Bridge) -> None:
    """Make the bridge, or bring it to these settings. Its members and its FDB stay."""
    slots = parts.slots
    slot = slots.domain_of(bridge.name)
    old = slots.domains[slot] if slot else Domain()
    slot = slot or slots.free_domains(1)[0]
    domain = Domain(
        ageing=bridge.ageing * 10**9,
        flood_version=old.flood_version,
        flood_count=old.flood_count,
        flags=DOMAIN_LEARNING | DOMAIN_BRIDGE | (DOMAIN_BPDU if bridge.forward_bpdu else 0),
        maxaddress=bridge.maxaddress,
        used=1,
        name=bridge.name.encode(),
    )
    slots.put_domains({slot: domain})
    flooding.rewrite(parts.maps, slots, slot)


def remove(parts: Parts, bridge: Bridge) -> None:
    """Take the bridge away; nothing there is fine."""
    slot = parts.slots.domain_of(bridge.name)
    if slot is not None:
        flooding.clear(parts.maps, slot, parts.slots.domains[slot])
        parts.slots.free_domain(slot)
