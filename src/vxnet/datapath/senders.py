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
from functools import lru_cache
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING

from vxnet.datapath.layout import PREFIX_SENDER, Address, SenderKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vxnet.datapath.maps import Maps

_MAPPED = 96
"""Bits in front of an IPv4 address in its mapped form."""

_IPV4 = 4
_THERE = c_uint32(1)


class Admitted:
    """Who may send to which tunnel; nobody at first."""

    def __init__(self) -> None:
        self._of: dict[int, set[bytes]] = {}

    def admit(self, key: bytes) -> None:
        """Take in a key of the map."""
        self._of.setdefault(SenderKey.from_buffer_copy(key).member, set()).add(key)

    def drop(self, key: bytes) -> None:
        """Forget a key that is no longer in the map."""
        member = SenderKey.from_buffer_copy(key).member
        self._of[member].discard(key)
        if not self._of[member]:
            del self._of[member]

    @property
    def members(self) -> frozenset[int]:
        """The tunnels that the map has something of."""
        return frozenset(self._of)

    def of(self, member: int) -> tuple[str, ...]:
        """Return who may send to a tunnel that is told so, in order."""
        keys = map(SenderKey.from_buffer_copy, self._of.get(member, ()))
        return tuple(sorted(_prefix(key.prefix, key.family, bytes(key.address.raw)) for key in keys))


class Senders(Admitted):
    """The senders of all segments, read once and kept equal to the map by every change through here."""

    def __init__(self, maps: Maps) -> None:
        """Read them."""
        super().__init__()
        self._map = maps.senders
        for key, _ in self._map.items():  # noqa: PERF102  (a map of the kernel is no dict)
            self.admit(bytes(key))

    def put(self, wanted: Mapping[int, Iterable[str]]) -> None:
        """Let these send to these tunnels, and nobody else any more. Who may before and after always may."""
        new = {member: {_key(member, prefix) for prefix in prefixes} for member, prefixes in wanted.items()}
        added = (raw for member, keys in new.items() for raw in keys - self._of.get(member, set()))
        self._map.put_all((SenderKey.from_buffer_copy(raw), _THERE) for raw in added)
        for member, keys in new.items():
            for raw in self._of.get(member, set()) - keys:
                self._map.remove(SenderKey.from_buffer_copy(raw))
        self._of |= new

    def forget(self, member: int) -> None:
        """Take away all that a tunnel has, once it takes packets from anybody, or is gone."""
        if member in self._of:
            self.put({member: ()})
            del self._of[member]


def _key(member: int, prefix: str) -> bytes:
    length, family, address = _parsed(prefix)
    return bytes(SenderKey(length, member, family, address))


@lru_cache(maxsize=4096)
def _parsed(prefix: str) -> tuple[int, int, Address]:
    """Return what is the same for all segments: hosts are many fewer than segments times hosts."""
    network = ip_network(prefix)
    unused = _MAPPED if isinstance(network, IPv4Network) else 0
    return PREFIX_SENDER + unused + network.prefixlen, network.version, Address.of(network.network_address)


@lru_cache(maxsize=4096)
def _prefix(length: int, family: int, address: bytes) -> str:
    """Return the prefix that a key stands for."""
    unused = _MAPPED if family == _IPV4 else 0
    return str(ip_network((address[unused // 8 :], length - PREFIX_SENDER - unused)))
