# SPDX-License-Identifier: Apache-2.0
"""Where the fields of a map's keys and values lie, as the kernel knows from the type information (BTF) they came with.

    header | types: (name, kind and count, size or type), what the kind has more ... | strings

https://docs.kernel.org/bpf/btf.html. Of the kinds, those that clang makes of C without floats and bit fields.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath.libbpf import objects
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_ARRAY = struct.Struct("<III")
_MEMBER = struct.Struct("<III")

_INT, _PTR, _ARRAY_OF, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_NAMED = frozenset({8, 9, 10, 11, 18})  # typedef, volatile, const, restrict, type tag: of another type
_MORE_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, 13: 8, 15: 12, 19: 12}  # parameters, data sections, 64-bit enums
_MORE = {_INT: 4, _ARRAY_OF: 12, 14: 4, 17: 4}  # variables, declaration tags
_POINTER = 8

Fields = dict[str, tuple[int, int]]
"""Name to offset and size, in bytes; a field of a structure inside has both names: ``place.member``."""


class Shape(NamedTuple):
    """What an element of a map looks like. A key or value that is no structure is one field without a name."""

    key: Fields
    value: Fields


def shape(fd: int) -> Shape:
    """Return the shape of a map's elements. KernelError if it was made without type information."""
    info = objects.map_info(fd)
    if not info.btf_id:
        message = f"eBPF map {info.name.decode()} was made without type information"
        raise KernelError(message)
    types = _types(info.btf_id)
    return Shape(dict(types.fields(info.btf_key_type_id)), dict(types.fields(info.btf_value_type_id)))


@lru_cache(maxsize=4)  # all maps of an object have the same
def _types(btf_id: int) -> _Types:
    return _Types(objects.btf(btf_id))


class _Type(NamedTuple):
    kind: int
    target: int  # its size in bytes, or the number of another type
    members: tuple[tuple[str, int, int], ...] = ()  # of a structure: name, type, offset in bits
    element: int = 0  # of an array: type of its elements, and how many
    elements: int = 0


class _Types:
    def __init__(self, raw: bytes) -> None:
        _, _, _, header, types, types_length, strings, _ = _HEADER.unpack_from(raw)
        self._strings = raw[header + strings :]
        self._all: Mapping[int, _Type] = dict(enumerate(self._read(raw, header + types, types_length), 1))

    def _read(self, raw: bytes, at: int, length: int) -> Iterator[_Type]:
        end = at + length
        while at < end:
            _, info, target = _TYPE.unpack_from(raw, at)
            at += _TYPE.size
            kind, count = info >> 24 & 31, info & 0xFFFF
            if kind in {_STRUCT, _UNION}:
                members = (_MEMBER.unpack_from(raw, at + n * _MEMBER.size) for n in range(count))
                yield _Type(kind, target, tuple((self._name(name), of, bits) for name, of, bits in members))
            elif kind == _ARRAY_OF:
                element, _, number = _ARRAY.unpack_from(raw, at)
                yield _Type(kind, target, element=element, elements=number)
            else:
                yield _Type(kind, target)
            at += _MORE.get(kind, 0) + _MORE_EACH.get(kind, 0) * count

    def _name(self, at: int) -> str:
        return self._strings[at : self._strings.index(0, at)].decode()

    def fields(self, number: int, name: str = "", offset: int = 0) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield (name, (offset, size)) of what a type is made of."""
        there = self._bare(number)
        if there.kind != _STRUCT:
            yield name, (offset, self._size(number))
            return
        for field, of, bits in there.members:
            yield from self.fields(of, f"{name}.{field}" if name else field, offset + bits // 8)

    def _size(self, number: int) -> int:
        there = self._bare(number)
        if there.kind == _ARRAY_OF:
            return there.elements * self._size(there.element)
        return _POINTER if there.kind == _PTR else there.target

    def _bare(self, number: int) -> _Type:
        there = self._all[number]
        while there.kind in _NAMED:
            there = self._all[there.target]
        return there
