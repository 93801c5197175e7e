# SPDX-License-Identifier: Apache-2.0
"""Who may send to a segment (RFC 7348, section 7: a rogue host that injects frames), in the map `senders`.

    segment.senders                    a list, in a trie                         members[tunnel].senders
      192.168.146.136/32     ------->  7: ::ffff:192.168.146.136/128    <------  7
      fd00:92::/64           ------->  7: fd00:92::/64                  <------  7, of another segment with the same

A segment with senders takes packets from nobody else. What is taken is looked up by the slow path alone: the flow cache
holds whom it let in, until the next change.

A list never changes. Whoever is to have another one is told its number once it is written; the one that nobody has any
more goes after that. So who may send before and after may at any time.
"""

from __future__ import annotations

from ctypes import c_uint32
from functools import lru_cache
from ipaddress import IPv4Network, ip_network
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath.layout import PREFIX_SENDER, SENDERS_ANYBODY, SENDERS_NOBODY, Address, SenderKey

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from vxnet.datapath.maps import Maps

Prefixes = tuple[str, ...] | None
"""Who may send; None: anybody."""

_MAPPED = 96
"""Bits in front of an IPv4 address in its mapped form."""

_IPV4 = 4
_THERE = c_uint32(1)


class _Entry(NamedTuple):
    """A key of the trie without its list."""

    length: int
    family: int
    address: bytes

    @classmethod
    def of(cls, key: SenderKey) -> _Entry:
        return cls(key.prefix, key.family, bytes(key.address.raw))


class Lists:
    """The lists by their numbers; none at first."""

    def __init__(self) -> None:
        self._lists: dict[int, set[_Entry]] = {}

    def take(self, raw: bytes) -> int:
        """Take in a key of the map; return the list it is of."""
        key = SenderKey.from_buffer_copy(raw)
        self._lists.setdefault(key.list, set()).add(_Entry.of(key))
        return key.list

    def drop(self, raw: bytes) -> int:
        """Forget a key that is no longer in the map; return the list it was of."""
        key = SenderKey.from_buffer_copy(raw)
        self._lists[key.list].discard(_Entry.of(key))
        if not self._lists[key.list]:
            del self._lists[key.list]
        return key.list

    def of(self, number: int) -> Prefixes:
        """Return who is on a list, in order; None: anybody."""
        if number == SENDERS_ANYBODY:
            return None
        return tuple(sorted(_prefix(*entry) for entry in self._lists.get(number, ())))


class Senders(Lists):
    """The lists, read once and kept equal to the map by every change through here."""

    def __init__(self, maps: Maps) -> None:
        """Read them."""
        super().__init__()
        self._map = maps.senders
        for key, _ in self._map.items():  # noqa: PERF102  (a map of the kernel is no dict)
            self.take(bytes(key))
        self._numbers = {frozenset(entries): number for number, entries in self._lists.items()}
        self._next = max(self._lists, default=SENDERS_ANYBODY) + 1

    def write(self, wanted: Iterable[Prefixes]) -> dict[Prefixes, int]:
        """See that there are lists with these; return their numbers. One that is there already is written once more."""
        return {prefixes: self._written(prefixes) for prefixes in set(wanted)}

    def _written(self, prefixes: Prefixes) -> int:
        if prefixes is None:
            return SENDERS_ANYBODY
        entries = frozenset(map(_parsed, prefixes))
        if not entries:
            return SENDERS_NOBODY
        number = self._numbers.get(entries) or self._free()
        self._map.put_all((_key(number, entry), _THERE) for entry in entries)
        self._lists[number] = set(entries)
        self._numbers[entries] = number
        return number

    def _free(self) -> int:
        numbers = chain(range(self._next, SENDERS_NOBODY), range(SENDERS_ANYBODY + 1, self._next))
        number = next(number for number in numbers if number not in self._lists)
        self._next = number + 1
        return number

    def keep(self, used: Container[int]) -> None:
        """Take all lists away but those that somebody has."""
        for number in [number for number in self._lists if number not in used]:
            entries = self._lists.pop(number)
            self._numbers.pop(frozenset(entries), None)
            for entry in entries:
                self._map.remove(_key(number, entry))


def _key(number: int, entry: _Entry) -> SenderKey:
    return SenderKey(entry.length, number, entry.family, Address.from_buffer_copy(entry.address))


@lru_cache(maxsize=4096)
def _parsed(prefix: str) -> _Entry:
    """Return what is the same for all segments: hosts are many fewer than segments times hosts."""
    network = ip_network(prefix)
    unused = _MAPPED if isinstance(network, IPv4Network) else 0
    length = PREFIX_SENDER + unused + network.prefixlen
    return _Entry(length, network.version, bytes(Address.of(network.network_address)))


@lru_cache(maxsize=4096)
def _prefix(length: int, family: int, address: bytes) -> str:
    """Return the prefix that an entry stands for."""
    unused = _MAPPED if family == _IPV4 else 0
    return str(ip_network((address[unused // 8 :], length - PREFIX_SENDER - unused)))
