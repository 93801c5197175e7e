# SPDX-License-Identifier: Apache-2.0
"""Port security: what may leave each secured port, in the map `sources`.

    port.sources                              keys of the trie, each under the port's member
      (mac A, 10.0.0.5/32)      ------->        A                   MAC: all frames but IP and ARP
      (mac B, "")               --.             A, IPv4 10.0.0.5/32 ANY
                                   '---->       B                   ANY: IP and ARP from any address as well

The longest key that fits a frame decides (bpf/secure.h). Reading back gives the same sources, in order.
"""

from __future__ import annotations

from ctypes import c_uint8, c_uint32
from ipaddress import ip_network
from typing import TYPE_CHECKING

from vxnet.datapath.layout import PREFIX_ADDRESS, PREFIX_MAC, SOURCE_ANY, SOURCE_MAC, Address, SourceKey
from vxnet.model import Source
from vxnet.packet import ethernet
from vxnet.packet.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.datapath.maps import Maps

_FAMILIES = {4: ethernet.IPV4, 6: ethernet.IPV6}
_UNUSED = {4: 96, 6: 0}
"""Bits in front of an address of this family in its 128-bit form."""


class Sources:
    """The sources of all ports, read once and kept equal to the map by every change through here."""

    def __init__(self, maps: Maps) -> None:
        """Read them."""
        self._map = maps.sources
        self._of: dict[int, dict[bytes, int]] = {}
        for key, verdict in self._map.items():
            self._of.setdefault(key.member, {})[bytes(key)] = verdict.value

    @property
    def members(self) -> frozenset[int]:
        """The members that the map has something of."""
        return frozenset(self._of)

    def of(self, member: int) -> tuple[Source, ...]:
        """Return what may leave a member that is secured."""
        there = ((SourceKey.from_buffer_copy(raw), verdict) for raw, verdict in self._of.get(member, {}).items())
        return tuple(sorted(_source(key) for key, verdict in there if verdict == SOURCE_ANY))

    def put(self, member: int, sources: Iterable[Source]) -> None:
        """Let these leave the member, and nothing else any more.

        What is new is written before anything old goes, so that what may leave before and after always may.
        """
        old, new = self._of.get(member, {}), _elements(member, sources)
        widest = {raw: max(old.get(raw, 0), new.get(raw, 0)) for raw in (*new, *old)}
        for raw, verdict in widest.items():
            if verdict != old.get(raw):
                self._map.put(SourceKey.from_buffer_copy(raw), c_uint32(verdict))
        # MACs before their addresses: of what is left by who was stopped in between, the addresses tell.
        for raw, verdict in sorted(widest.items(), key=lambda element: SourceKey.from_buffer_copy(element[0]).prefix):
            if raw not in new:
                self._map.remove(SourceKey.from_buffer_copy(raw))
            elif verdict != new[raw]:
                self._map.put(SourceKey.from_buffer_copy(raw), c_uint32(new[raw]))
        self._of[member] = new

    def forget(self, member: int) -> None:
        """Take away all that a member has, after it is secured no more."""
        self.put(member, ())
        del self._of[member]


def _elements(member: int, sources: Iterable[Source]) -> dict[bytes, int]:
    """Return what the trie holds for these sources."""
    elements: dict[bytes, int] = {}
    for source in sources:
        mac = (c_uint8 * 6)(*parse_mac(source.mac))
        alone = bytes(SourceKey(PREFIX_MAC, member, mac))
        if not source.prefix:
            elements[alone] = SOURCE_ANY
            continue
        elements.setdefault(alone, SOURCE_MAC)
        network = ip_network(source.prefix)
        family = (c_uint8 * 2)(*_FAMILIES[network.version].to_bytes(2, "big"))
        prefix = PREFIX_ADDRESS + _UNUSED[network.version] + network.prefixlen
        elements[bytes(SourceKey(prefix, member, mac, family, Address.of(network.network_address)))] = SOURCE_ANY
    return elements


def _source(key: SourceKey) -> Source:
    """Return the source that an element of the trie stands for."""
    mac = format_mac(bytes(key.mac))
    if key.prefix == PREFIX_MAC:
        return Source(mac)
    version = next(v for v, family in _FAMILIES.items() if bytes(key.type) == family.to_bytes(2, "big"))
    raw = bytes(key.address.raw)[_UNUSED[version] // 8 :]
    return Source(mac, str(ip_network((raw, key.prefix - PREFIX_ADDRESS - _UNUSED[version]))))
