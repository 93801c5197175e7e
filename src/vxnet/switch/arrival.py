# SPDX-License-Identifier: Apache-2.0
"""A packet from the underlay: whether it is for us and fit to be looked into, and through which tunnel it came.

Left to the host is whatever is not IP and UDP to a port and an address or a group of ours, or claims to come from our
own address. So are fragments and packets with IP options, which the kernel makes whole or judges before it hands them
back.
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

from vxnet.drops import DropReason, drop_reason
from vxnet.model import IPAddress, Segment, Tunnel
from vxnet.packet import ecn

if TYPE_CHECKING:
    from collections.abc import Callable

    from vxnet.packet.outer import OuterPacket
    from vxnet.switch.members import Members

UNKNOWN_VNI = drop_reason("UNKNOWN_VNI")
BAD_HEADER = drop_reason("BAD_HEADER")
TRUNCATED = drop_reason("TRUNCATED")
BAD_CHECKSUM = drop_reason("BAD_CHECKSUM")
INNER_TRUNCATED = drop_reason("INNER_TRUNCATED")
CONGESTION_MARK = drop_reason("CONGESTION_MARK")
UNKNOWN_REMOTE = drop_reason("UNKNOWN_REMOTE")

_NO_SOURCES = frozenset(map(ip_address, ("0.0.0.0", "255.255.255.255")))  # noqa: S104  (bound to nothing)


class Arrival:
    """What arrives at a host with these members."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._tunnels = tuple(members.tunnels.values())

    def is_ours(self, outer: OuterPacket) -> bool:
        """Tell whether it is for us to judge; else it is the host's."""
        at_port = [tunnel for tunnel in self._tunnels if tunnel.dstport == outer.dst_port]
        locals_ = {local for tunnel in at_port for local in self._members.locals(tunnel)}
        ours = locals_ | self._members.groups
        # A tunnel without a local address takes what comes to any address of the host, of which a switch knows nothing.
        to_us = outer.dst in ours or (None in locals_ and not outer.dst.is_multicast)
        from_others = outer.src not in ours and not _martian(outer.src)
        return bool(at_port) and to_us and (from_others or self._is_nobody(outer.src))

    def unfit(self, outer: OuterPacket) -> DropReason | None:
        """Return why a packet for us is dropped before it is looked into.

        Checksums come late, as they cost: nothing is learned from a packet with a wrong one, and nothing delivered.
        """
        reasons: tuple[tuple[DropReason, Callable[[], bool]], ...] = (
            (UNKNOWN_REMOTE, lambda: self._is_nobody(outer.src)),
            (TRUNCATED, lambda: outer.truncated),
            (BAD_HEADER, lambda: outer.bad_header),
            (UNKNOWN_VNI, lambda: self.tunnel_of(outer) is None),
            (UNKNOWN_REMOTE, lambda: not self._may_send(outer)),
            (BAD_CHECKSUM, lambda: outer.bad_checksum),
            (INNER_TRUNCATED, lambda: ecn.ends_in_header(outer.frame)),
            (CONGESTION_MARK, lambda: ecn.taken_out(outer.frame, outer.ecn) is None),
        )
        return next((reason for reason, is_so in reasons if is_so()), None)

    def tunnel_of(self, outer: OuterPacket) -> Tunnel | None:
        """Return the most particular tunnel that takes the packet: by VNI, then by remote, then by our address."""

        def fits(tunnel: Tunnel) -> bool:
            domain = self._members.domains[tunnel.bridge]
            group = domain.group if isinstance(domain, Segment) else None
            return (
                tunnel.dstport == outer.dst_port
                and tunnel.vni in {None, outer.vni}
                and tunnel.remote in {None, outer.src}
                and (tunnel.local is None or outer.dst in {*self._members.locals(tunnel), group})
            )

        fitting = filter(fits, self._tunnels)
        return max(fitting, key=lambda t: (t.vni is not None, t.remote is not None, t.local is not None), default=None)

    def _may_send(self, outer: OuterPacket) -> bool:
        """Tell whether its segment takes packets from the sender; bridges' tunnels say themselves from whom."""
        tunnel = self.tunnel_of(outer)
        domain = self._members.domains[tunnel.bridge] if tunnel else None
        senders = domain.senders if isinstance(domain, Segment) else None
        return senders is None or any(outer.src in ip_network(prefix) for prefix in senders)

    def _is_nobody(self, source: IPAddress) -> bool:
        """Tell whether no other host has this IPv6 address, which the kernel takes from the wire all the same.

        That is ::, an IPv4 address in its mapped form, and our own.
        """
        if isinstance(source, IPv4Address):
            return False
        own = {local for tunnel in self._tunnels for local in self._members.locals(tunnel)} | self._members.groups
        return source.is_unspecified or source.ipv4_mapped is not None or source in own


def _martian(address: IPAddress) -> bool:
    """Tell whether the kernel would refuse this source from the wire: no host can have it."""
    return address in _NO_SOURCES or address.is_loopback or address.is_multicast
