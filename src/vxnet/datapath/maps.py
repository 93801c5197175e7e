# SPDX-License-Identifier: Apache-2.0
"""The eBPF maps as typed Python values: `Maps` holds every map of one host's switch by its name in bpf/maps.h."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from ctypes import c_uint32
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from vxnet.datapath import layout
from vxnet.datapath.libbpf import objects, rawmap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

K = TypeVar("K", bound=ctypes.Structure | c_uint32)
V = TypeVar("V", bound=ctypes.Structure | c_uint32)

_CHUNK = 4096


class Map(Generic[K, V]):
    """One map. Keys and values are the ctypes types of `vxnet.datapath.layout`."""

    def __init__(self, fd: int, key: type[K], value: type[V]) -> None:
        self.fd: Final = fd
        self._key: Final = key
        self._value: Final = value

    def get(self, key: K) -> V | None:
        """The element at ``key``, or None."""
        value = self._value()
        return value if rawmap.lookup(self.fd, key, value) else None

    def put(self, key: K, value: V) -> None:
        """Write an element. MapFullError if there is no room."""
        rawmap.update(self.fd, key, value)

    def put_all(self, elements: Iterable[tuple[K, V]]) -> None:
        """Write elements in their order, many with one system call. MapFullError if there is no room for all."""
        pairs = list(elements)
        if len(pairs) == 1:
            self.put(*pairs[0])
        elif pairs:
            keys, values = (b"".join(map(bytes, side)) for side in zip(*pairs, strict=True))
            rawmap.update_batch(self.fd, keys, values, len(pairs))

    def remove(self, key: K) -> bool:
        """Delete an element; False if there was none."""
        return rawmap.delete(self.fd, key)

    def items(self) -> Iterator[tuple[K, V]]:
        """All elements. What others change meanwhile may be missed or seen."""
        key_size, value_size = ctypes.sizeof(self._key), ctypes.sizeof(self._value)
        for keys, values, count in rawmap.batches(self.fd, key_size, value_size, _CHUNK):
            # One by one: an array of c_uint32 would be iterated over as ints.
            for n in range(count):
                key, value = self._key(), self._value()
                at = n * key_size
                ctypes.memmove(ctypes.addressof(key), keys[at : at + key_size], key_size)
                at = n * value_size
                ctypes.memmove(ctypes.addressof(value), values[at : at + value_size], value_size)
                yield key, value

    def raw(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values as they lie in memory, many at a time: as many keys as values, one behind the other."""
        key_size, value_size = ctypes.sizeof(self._key), ctypes.sizeof(self._value)
        for keys, values, count in rawmap.batches(self.fd, key_size, value_size, _CHUNK):
            yield keys[: count * key_size], values[: count * value_size]

    def elements(self, keys: bytes, values: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield what `raw` has given, one by one."""
        key, value = ctypes.sizeof(self._key), ctypes.sizeof(self._value)
        ats = zip(range(0, len(keys), key), range(0, len(values), value), strict=True)
        return ((keys[one : one + key], values[other : other + value]) for one, other in ats)

    def filled(self, below: int) -> Iterator[tuple[int, V]]:
        """Those of an array's first elements that are not all zero, by their index."""
        size, index = ctypes.sizeof(self._value), 0
        nothing = bytes(size)
        for _, values, count in rawmap.batches(self.fd, ctypes.sizeof(self._key), size, _CHUNK):
            for at in range(0, count * size, size):
                if index >= below:
                    return
                if (raw := values[at : at + size]) != nothing:
                    yield index, _of(self._value, raw)
                index += 1


def _of(value: type[V], raw: bytes) -> V:
    """Return a value of these bytes; what `from_buffer_copy` returns is of no type that a checker knows."""
    new = value()
    ctypes.memmove(ctypes.addressof(new), raw, len(raw))
    return new


class CounterMap(Generic[V]):
    """A per-CPU array of counters."""

    def __init__(self, fd: int, value: type[V]) -> None:
        self.fd: Final = fd
        self._value: Final = value
        self._all: Final = value * rawmap.cpus()

    @contextmanager
    def kept(self) -> Iterator[Self]:
        """Give the map as it is for the length of a ``with`` block, whatever takes its place meanwhile."""
        fd = os.dup(self.fd)
        try:
            yield type(self)(fd, self._value)
        finally:
            os.close(fd)

    def all(self) -> dict[int, list[V]]:
        """The values of all elements that have one on any CPU, by their index."""
        size = ctypes.sizeof(self._all)
        nothing = bytes(size)
        batches = rawmap.batches(self.fd, ctypes.sizeof(c_uint32), size, _CHUNK)
        values = (raw[at : at + size] for _, raw, count in batches for at in range(0, count * size, size))
        return {index: list(self._all.from_buffer_copy(raw)) for index, raw in enumerate(values) if raw != nothing}

    def get(self, index: int) -> list[V]:
        """The element's value on each CPU."""
        values = self._all()
        rawmap.lookup(self.fd, c_uint32(index), values)
        return list(values)

    def put(self, index: int, values: list[V]) -> None:
        """Write the element's value on each CPU."""
        element = self._all()
        element[:] = values
        rawmap.update(self.fd, c_uint32(index), element)

    def clear(self, indices: Sequence[int]) -> None:
        """Set elements to zero on every CPU."""
        keys = b"".join(bytes(c_uint32(index)) for index in indices)
        rawmap.update_batch(self.fd, keys, bytes(self._all()) * len(indices), len(indices))


class Ring:
    """A ring buffer: no keys, no values; see voice.py."""

    def __init__(self, fd: int) -> None:
        self.fd: Final = fd


SIZES: Final[Mapping[str, tuple[int, int]]] = {
    name: (ctypes.sizeof(key), ctypes.sizeof(value))
    for name, key, value in (
        ("state", c_uint32, layout.State),
        ("vteps", c_uint32, layout.VtepValue),
        ("overlays", c_uint32, c_uint32),
        ("domains", c_uint32, layout.Domain),
        ("moves", c_uint32, c_uint32),
        ("members", c_uint32, layout.Member),
        ("ports", c_uint32, c_uint32),
        ("trunks", c_uint32, layout.VlanSet),
        ("arrivals", layout.ArrivalKey, c_uint32),
        ("flood", layout.FloodKey, layout.Place),
        ("fdb", layout.FdbKey, layout.FdbValue),
        ("moved", layout.FdbKey, layout.Moved),
        ("sources", layout.SourceKey, c_uint32),
        ("senders", layout.SenderKey, c_uint32),
        ("questions", layout.QuestionKey, layout.Question),
        ("neighbours", layout.NeighbourKey, layout.NeighbourValue),
        ("learned", layout.Place, c_uint32),
        ("traffic", c_uint32, layout.Traffic),
        ("drops", c_uint32, layout.Drops),
    )
} | {"heard": (0, 0)}
"""Key and value size of every map that Python touches, in bytes; checked against the object before it is loaded."""


_PER_CPU: Final = frozenset({"traffic", "drops"})


class Maps:
    """Every map that Python touches, from descriptors by name.

    The others are the programs' own, and go with these: their descriptors are given back at once.
    """

    def __init__(self, fds: Mapping[str, int]) -> None:
        for name in fds.keys() - SIZES.keys():
            os.close(fds[name])
        self._fds = {name: fds[name] for name in SIZES}
        self.state = Map(fds["state"], c_uint32, layout.State)
        self.vteps = Map(fds["vteps"], c_uint32, layout.VtepValue)
        self.overlays = Map(fds["overlays"], c_uint32, c_uint32)
        self.domains = Map(fds["domains"], c_uint32, layout.Domain)
        self.moves = Map(fds["moves"], c_uint32, c_uint32)
        self.members = Map(fds["members"], c_uint32, layout.Member)
        self.arrivals = Map(fds["arrivals"], layout.ArrivalKey, c_uint32)
        self.flood = Map(fds["flood"], layout.FloodKey, layout.Place)
        self.fdb = Map(fds["fdb"], layout.FdbKey, layout.FdbValue)
        self.moved = Map(fds["moved"], layout.FdbKey, layout.Moved)
        self.sources = Map(fds["sources"], layout.SourceKey, c_uint32)
        self.senders = Map(fds["senders"], layout.SenderKey, c_uint32)
        self.questions = Map(fds["questions"], layout.QuestionKey, layout.Question)
        self.neighbours = Map(fds["neighbours"], layout.NeighbourKey, layout.NeighbourValue)
        self.learned = Map(fds["learned"], layout.Place, c_uint32)
        self.traffic = CounterMap(fds["traffic"], layout.Traffic)
        self.drops = CounterMap(fds["drops"], layout.Drops)
        self.heard = Ring(fds["heard"])
        self.ports = Map(fds["ports"], c_uint32, c_uint32)
        self.trunks = Map(fds["trunks"], c_uint32, layout.VlanSet)

    @property
    def fds(self) -> Mapping[str, int]:
        """Descriptors by map name, for a new object to take over."""
        return self._fds

    @property
    def instance(self) -> int:
        """What all programs over these maps have in common, and nobody else's: see attach.py."""
        return int(objects.map_info(self.state.fd).id)

    def capacity(self, name: str) -> int:
        """Return how many elements a map can hold."""
        return int(objects.map_info(self._fds[name]).max_entries)

    def copy(self, name: str, other: int) -> None:
        """Write all elements of a map into another one of its kind, by its descriptor. KernelError if that is full."""
        info = objects.map_info(self._fds[name])
        value_size = info.value_size if name not in _PER_CPU else -(-info.value_size // 8) * 8 * rawmap.cpus()
        rawmap.copy(self._fds[name], other, info.key_size, value_size, _CHUNK)

    def __enter__(self) -> Self:
        """Use them in a `with` block, which gives the descriptors back at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Give the descriptors back; the kernel keeps the maps while a program attached to a device uses them."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
