# SPDX-License-Identifier: Apache-2.0
"""A tunnel as the member that the programs see, and back: a bridge's, and of a segment's own its outer header."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from vxnet.datapath import vlans
from vxnet.datapath.layout import (
    ANY_VNI,
    MEMBER_CSUM,
    MEMBER_DF,
    MEMBER_TOS_INHERIT,
    MEMBER_TTL_INHERIT,
    MEMBER_TUNNEL,
    Address,
    ArrivalKey,
    Member,
)
from vxnet.model import Tunnel

if TYPE_CHECKING:
    from vxnet.model import Segment, Vlans


def member_of(tunnel: Tunnel, domain: int) -> Member:
    """Return what the map has of a tunnel."""
    member = Member(
        kind=MEMBER_TUNNEL,
        domain=domain,
        vni=ANY_VNI if tunnel.vni is None else tunnel.vni,
        vni_out=tunnel.vni_out,
        dstport=tunnel.dstport,
        local=Address.of(tunnel.local),
        remote=Address.of(tunnel.remote),
        name=tunnel.name.encode(),
    )
    describe_header(member, tunnel)
    vlans.describe(member, tunnel.vlans)
    return member


DEFAULT_TTL = 64
"""Of outer packets that carry what has no TTL to inherit."""


class Header(TypedDict):
    """The options of the outer header, by the names that they have in `Segment` and `Tunnel`."""

    ttl: int
    tos: int | None
    df: bool
    csum: bool


def describe_header(member: Member, of: Segment | Tunnel) -> None:
    """Say in ``member`` what its outer headers are to be."""
    member.flags |= (
        (MEMBER_DF if of.df else 0)
        | (MEMBER_CSUM if of.csum else 0)
        | (0 if of.ttl else MEMBER_TTL_INHERIT)
        | (MEMBER_TOS_INHERIT if of.tos is None else 0)
    )
    member.ttl, member.tos = of.ttl or DEFAULT_TTL, of.tos or 0


def header_of(member: Member) -> Header:
    """Return what `describe_header` was given."""
    return Header(
        ttl=0 if member.flags & MEMBER_TTL_INHERIT else member.ttl,
        tos=None if member.flags & MEMBER_TOS_INHERIT else member.tos,
        df=bool(member.flags & MEMBER_DF),
        csum=bool(member.flags & MEMBER_CSUM),
    )


def arrival(member: Member) -> ArrivalKey:
    """Return the key of the packets that come through a bridge's tunnel."""
    return ArrivalKey(member.vni, member.dstport, member.local, member.remote)


def tunnel_of(member: Member, bridge: str, its_vlans: Vlans) -> Tunnel:
    """Return what `member_of` was given."""
    return Tunnel(
        name=member.name.decode(),
        bridge=bridge,
        vni=None if member.vni == ANY_VNI else member.vni,
        vni_out=member.vni_out,
        remote=member.remote.ip(),
        local=member.local.ip(),
        dstport=member.dstport,
        vlans=its_vlans,
        **header_of(member),
    )
