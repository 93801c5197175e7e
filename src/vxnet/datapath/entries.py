# SPDX-License-Identifier: Apache-2.0
"""The FDB's entries in words, of which there may be a million.

    key, value as they lie in memory --> domain, vlan, mac; place, flags, last seen --> FdbRow
                                           `----- one Home each -----'

What an entry says of its place and domain is worked out once for all that are there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from vxnet.datapath import duplicates
from vxnet.datapath.layout import (
    DOMAIN_BRIDGE,
    DOMAIN_TAGS,
    FDB_STATIC,
    MEMBER_TUNNEL,
    FdbKey,
    FdbValue,
    Place,
    fields_of,
)
from vxnet.model import IPAddress

if TYPE_CHECKING:
    from vxnet.datapath.layout import Domain, Member
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Slots

_KEY = fields_of(FdbKey, "domain", "vlan", "mac")
_VALUE = fields_of(FdbValue, "place", "flags", "last_seen")


class FdbRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One entry; ``age`` in seconds since it was last seen, None for a static one.

    ``duplicate``: the MAC was seen elsewhere as well, too often, and stays where it is.

    In a bridge (``segment`` is its name then) it has a ``vlan``, a remote is behind a ``tunnel``, and what is at a port
    has no ``vni``.
    """

    segment: str
    vni: int | None
    mac: str
    state: Literal["static", "learned"]
    port: str | None = None
    remote: IPAddress | None = None
    age: float | None = None
    vlan: int | None = None
    tunnel: str | None = None
    duplicate: bool = False


class _Home(NamedTuple):
    """What is the same of all entries of a domain that are at one place; ``ageing`` in nanoseconds, 0: never."""

    segment: str
    vni: int | None
    has_vlans: bool
    ageing: int
    port: str | None
    remote: IPAddress | None
    tunnel: str | None


def rows(maps: Maps, slots: Slots, segment: str | None = None) -> list[FdbRow]:
    """Return the entries that are in force, of one segment or bridge or of all, by these and by their MACs."""
    now = time.monotonic_ns()
    doubled = duplicates.keys(maps, now)
    homes: dict[tuple[int, bytes], _Home | None] = {}
    found = []
    for keys, values in maps.fdb.raw():
        entries = zip(_KEY.iter_unpack(keys), _VALUE.iter_unpack(values), strict=True)
        for at, ((domain, vlan, mac), (place, flags, seen)) in enumerate(entries):
            if (domain, place) not in homes:
                homes[domain, place] = _home(slots, domain, Place.from_buffer_copy(place))
            home = homes[domain, place]
            static = bool(flags & FDB_STATIC)
            if home is None or (segment is not None and home.segment != segment):
                continue
            if not static and 0 < home.ageing <= now - seen:
                continue  # the next sweep frees it
            is_duplicate = bool(doubled) and not static and keys[at * _KEY.size : (at + 1) * _KEY.size] in doubled
            found.append(
                FdbRow(
                    home.segment,
                    home.vni,
                    mac.hex(":"),
                    "static" if static else "learned",
                    home.port,
                    home.remote,
                    None if static else round(max(0, now - seen) / 1e9, 3),
                    int.from_bytes(vlan, "little") if home.has_vlans else None,
                    home.tunnel,
                    is_duplicate,
                )
            )
    return sorted(found, key=lambda row: (row.segment, row.mac))


def _home(slots: Slots, slot: int, place: Place) -> _Home | None:
    """Return what entries say that are there; None if nobody is there any more."""
    domain, member = slots.domains.get(slot), slots.members.get(place.member)
    if domain is None or member is None or member.domain != slot:
        return None
    remote, name = place.remote.ip(), member.name.decode()
    return _Home(
        segment=domain.name.decode(),
        vni=_vni(domain, member),
        has_vlans=bool(domain.flags & (DOMAIN_BRIDGE | DOMAIN_TAGS)),
        ageing=domain.ageing,
        port=None if remote else name,
        remote=remote,
        tunnel=name if remote and domain.flags & DOMAIN_BRIDGE else None,
    )


def _vni(domain: Domain, member: Member) -> int | None:
    """Return the VNI of a segment, or of the tunnel of a bridge that a MAC is behind."""
    if not domain.flags & DOMAIN_BRIDGE:
        return domain.vni
    return member.vni_out if member.kind == MEMBER_TUNNEL else None
