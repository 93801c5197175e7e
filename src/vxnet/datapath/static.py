# SPDX-License-Identifier: Apache-2.0
"""Static FDB entries: they never age, and learning never overwrites them (rule 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath.layout import FDB_STATIC, Address, FdbKey, FdbValue, Place
from vxnet.errors import KernelError
from vxnet.packet.mac import parse_mac

if TYPE_CHECKING:
    from vxnet.datapath.parts import Parts
    from vxnet.model import FdbEntry


def add(parts: Parts, entry: FdbEntry) -> bool:
    """Write the entry over whatever was there for this MAC; return whether that was learned.

    Its place then has taught one less. One that is learned in this very moment is missed: the next sweep counts it.
    """
    domain = parts.slots.domain_of(entry.segment)
    member = parts.slots.port(entry.port) if entry.port else parts.slots.tunnel(entry.segment)
    if domain is None or member is None:
        message = f"static entry {entry.mac}: {entry.port or entry.segment} is not there"
        raise KernelError(message)
    key = FdbKey.of(domain, parse_mac(entry.mac))
    old = parts.maps.fdb.get(key)
    parts.maps.fdb.put(key, FdbValue(Place(member, Address.of(entry.remote)), FDB_STATIC, 0))
    return old is not None and not old.flags & FDB_STATIC


def remove(parts: Parts, entry: FdbEntry) -> None:
    """Delete the entry; the MAC may be learned again from now on."""
    if domain := parts.slots.domain_of(entry.segment):
        parts.maps.fdb.remove(FdbKey.of(domain, parse_mac(entry.mac)))
