# SPDX-License-Identifier: Apache-2.0
"""Who may send to a segment (RFC 7348, section 7: a rogue host that injects frames), in the map `senders`.

    segment.senders                               keys of the trie, under the segment's tunnel
      192.168.146.136/32                ------->  ::ffff:192.168.146.136/128
      fd00:92::/64                      ------->  fd00:92::/64

A segment with senders takes packets from nobody else. What is taken is looked up by the slow path alone: the flow cache
holds whom it let in, until the next change.
"""

from __future__ import annotations

from ctypes import c_uint32
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING

from vxnet.datapath.layout import PREFIX_SENDER, Address, SenderKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.datapath.maps import Maps

_MAPPED = 96
"""Bits in front of an IPv4 address in its mapped form."""

_IPV4 = 4
_THERE = c_uint32(1)


class Senders:
    """The senders of all segments, read once and kept equal to the map by every change through here."""

    def __init__(self, maps: Maps) -> None:
        """Read them."""
        self._map = maps.senders
        self._of: dict[int, set[bytes]] = {}
        for key, _ in self._map.items():  # noqa: PERF102  (a map of the kernel is no dict)
            self._of.setdefault(key.member, set()).add(bytes(key))

    @property
    def members(self) -> frozenset[int]:
        """The tunnels that the map has something of."""
        return frozenset(self._of)

    def of(self, member: int) -> tuple[str, ...]:
        """Return who may send to a tunnel that is told so, in order."""
        return tuple(sorted(_prefix(SenderKey.from_buffer_copy(raw)) for raw in self._of.get(member, ())))

    def put(self, member: int, prefixes: Iterable[str]) -> None:
        """Let these send, and nobody else any more. Who may before and after always may."""
        old, new = self._of.get(member, set()), {bytes(_key(member, prefix)) for prefix in prefixes}
        for raw in new - old:
            self._map.put(SenderKey.from_buffer_copy(raw), _THERE)
        for raw in old - new:
            self._map.remove(SenderKey.from_buffer_copy(raw))
        self._of[member] = new

    def forget(self, member: int) -> None:
        """Take away all that a tunnel has, once it takes packets from anybody, or is gone."""
        self.put(member, ())
        del self._of[member]


def _key(member: int, prefix: str) -> SenderKey:
    network = ip_network(prefix)
    unused = _MAPPED if isinstance(network, IPv4Network) else 0
    bits = PREFIX_SENDER + unused + network.prefixlen
    return SenderKey(bits, member, network.version, Address.of(network.network_address))


def _prefix(key: SenderKey) -> str:
    """Return the prefix that a key stands for."""
    unused = _MAPPED if key.family == _IPV4 else 0
    raw = bytes(key.address.raw)[unused // 8 :]
    return str(ip_network((raw, key.prefix - PREFIX_SENDER - unused)))
