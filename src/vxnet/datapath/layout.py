# SPDX-License-Identifier: Apache-2.0
"""The keys and values of the eBPF maps, as bpf/structs.h lays them out in memory.

Field for field the same: every size is compared with the compiled object's before that is loaded (libbpf/loading.py),
and a test compares every field's offset with the object's type information (BTF).
"""

from __future__ import annotations

import ctypes
import struct
import zlib
from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_LEN = 64
OWNER_LEN = 128

VLANS = 4096

DOMAIN_LEARNING, DOMAIN_BRIDGE, DOMAIN_BPDU, DOMAIN_TAGS, DOMAIN_ALIVE = 1, 2, 4, 8, 16
MEMBER_FREE, MEMBER_PORT, MEMBER_TUNNEL, MEMBER_BFD = 0, 1, 2, 3
MEMBER_PEER, MEMBER_INTERNAL, MEMBER_DF, MEMBER_CSUM = 1, 2, 4, 8
MEMBER_TTL_INHERIT, MEMBER_TOS_INHERIT, MEMBER_SOME_VLANS, MEMBER_SECURED = 16, 32, 64, 128
MEMBER_LOOP = 256
VLAN_TRUNK, VLAN_ACCESS, VLAN_NATIVE_TAGGED, VLAN_NATIVE_UNTAGGED = 0, 1, 2, 3
ANY_VNI = 1 << 24
LISTENING = ANY_VNI + 1
FDB_STATIC = 1
PREFIX_MAC, PREFIX_ADDRESS = 80, 96
SOURCE_MAC, SOURCE_ANY = 1, 2
PREFIX_SENDER = 64
SENDERS_ANYBODY, SENDERS_NOBODY = 0, 0xFFFFFFFF
DUPLICATE_TIME = 180 * 10**9
"""Nanoseconds: RFC 7432, section 15.1."""
HEARD_LEN = 128

_MAPPED = b"\0" * 10 + b"\xff\xff"


class Address(ctypes.Structure):
    """128 bits in network byte order; IPv4 in its mapped form (RFC 4291, section 2.5.5.2)."""

    _fields_ = (("raw", c_uint8 * 16),)

    @classmethod
    def of(cls, address: IPv4Address | IPv6Address | None) -> Address:
        """``address``, or all zero for none."""
        if isinstance(address, IPv6Address):
            return cls.from_buffer_copy(address.packed)
        return cls.from_buffer_copy(bytes(16) if address is None else _MAPPED + address.packed)

    def ip(self) -> IPv4Address | IPv6Address | None:
        """Back again; None for all zero."""
        return _ip(bytes(self.raw))


@lru_cache(maxsize=4096)
def _ip(raw: bytes) -> IPv4Address | IPv6Address | None:
    if raw.startswith(_MAPPED):
        return IPv4Address(raw[12:])
    return IPv6Address(raw) if any(raw) else None


class Place(ctypes.Structure):
    """Where a MAC is: a port, or a remote behind a tunnel."""

    member: int
    remote: Address
    _fields_ = (("member", c_uint32), ("remote", Address))


class State(ctypes.Structure):
    """The one element of `state`."""

    layout: int
    epoch: int
    domains_high: int
    members_high: int
    meaning: int
    owner: bytes
    bfd_min_tx: int
    bfd_min_rx: int
    bfd_detect_mult: int
    probe_interval: int
    probe_detect_mult: int
    _fields_ = (
        ("layout", c_uint32),
        ("epoch", c_uint32),
        ("domains_high", c_uint32),
        ("members_high", c_uint32),
        ("meaning", c_uint32),
        ("owner", c_char * OWNER_LEN),
        ("bfd_min_tx", c_uint32),
        ("bfd_min_rx", c_uint32),
        ("bfd_detect_mult", c_uint32),
        ("probe_interval", c_uint32),
        ("probe_detect_mult", c_uint32),
    )


class VtepValue(ctypes.Structure):
    """A value of `vteps`; ``local`` zero: any address of this host; ``local6``: ``local``, if that is the only one."""

    local: Address
    local6: Address
    underlay: int
    overlay: int
    mtu: int
    dstport: int
    _fields_ = (
        ("local", Address),
        ("local6", Address),
        ("underlay", c_uint32),
        ("overlay", c_uint32),
        ("mtu", c_uint32),
        ("dstport", c_uint32),
    )


class Domain(ctypes.Structure):
    """A value of `domains`."""

    ageing: int
    flood_version: int
    flood_count: int
    flags: int
    vni: int
    maxaddress: int
    used: int
    storm_control: int
    storm_control_total: int
    max_moves: int
    name: bytes
    _fields_ = (
        ("ageing", c_uint64),
        ("flood_version", c_uint32),
        ("flood_count", c_uint32),
        ("flags", c_uint32),
        ("vni", c_uint32),
        ("maxaddress", c_uint32),
        ("used", c_uint32),
        ("storm_control", c_uint32),
        ("storm_control_total", c_uint32),
        ("max_moves", c_uint32),
        ("name", c_char * NAME_LEN),
    )


class Member(ctypes.Structure):
    """A value of `members`."""

    kind: int
    domain: int
    ifindex: int
    flags: int
    vlan_mode: int
    tag: int
    vni: int
    vni_out: int
    dstport: int
    ttl: int
    tos: int
    storm_control: int
    senders: int
    local: Address
    remote: Address
    group: Address
    name: bytes
    _fields_ = (
        ("kind", c_uint32),
        ("domain", c_uint32),
        ("ifindex", c_uint32),
        ("flags", c_uint32),
        ("vlan_mode", c_uint16),
        ("tag", c_uint16),
        ("vni", c_uint32),
        ("vni_out", c_uint32),
        ("dstport", c_uint32),
        ("ttl", c_uint32),
        ("tos", c_uint32),
        ("storm_control", c_uint32),
        ("senders", c_uint32),
        ("local", Address),
        ("remote", Address),
        ("group", Address),
        ("name", c_char * NAME_LEN),
    )


class VlanSet(ctypes.Structure):
    """A value of `trunks`: bit ``vlan % 64`` of word ``vlan // 64``."""

    word: ctypes.Array[c_uint64]
    _fields_ = (("word", c_uint64 * (VLANS // 64)),)

    @classmethod
    def of(cls, vlans: Iterable[int]) -> VlanSet:
        """Return the set of these VLANs, 0-4095."""
        value = cls()
        for vlan in vlans:
            value.word[vlan // 64] |= 1 << vlan % 64
        return value

    def vlans(self) -> tuple[int, ...]:
        """Return the VLANs that are in it."""
        return tuple(vlan for vlan in range(VLANS) if self.word[vlan // 64] >> vlan % 64 & 1)


class FdbKey(ctypes.Structure):
    """A key of `fdb`."""

    domain: int
    vlan: int
    mac: ctypes.Array[c_uint8]
    _fields_ = (("domain", c_uint32), ("vlan", c_uint16), ("mac", c_uint8 * 6))

    @classmethod
    def of(cls, domain: int, mac: bytes, vlan: int = 0) -> FdbKey:
        """Return the key of ``mac`` (6 bytes) in a domain, whose only VLAN is 0 if it is a segment."""
        return cls(domain, vlan, (c_uint8 * 6)(*mac))


class FdbValue(ctypes.Structure):
    """A value of `fdb`; ``last_seen`` in nanoseconds of CLOCK_MONOTONIC."""

    place: Place
    flags: int
    last_seen: int
    _fields_ = (("place", Place), ("flags", c_uint32), ("last_seen", c_uint64))


class Moved(ctypes.Structure):
    """A value of `moved`; ``since`` in nanoseconds of CLOCK_MONOTONIC."""

    home: Place
    other: Place
    moves: int
    duplicate: int
    since: int
    _fields_ = (
        ("home", Place),
        ("other", Place),
        ("moves", c_uint32),
        ("duplicate", c_uint32),
        ("since", c_uint64),
    )


class SourceKey(ctypes.Structure):
    """A key of `sources`, a trie: ``prefix`` is how many bits of the other fields count; ``type`` in network order."""

    prefix: int
    member: int
    mac: ctypes.Array[c_uint8]
    type: ctypes.Array[c_uint8]
    address: Address
    _fields_ = (
        ("prefix", c_uint32),
        ("member", c_uint32),
        ("mac", c_uint8 * 6),
        ("type", c_uint8 * 2),
        ("address", Address),
    )


class SenderKey(ctypes.Structure):
    """A key of `senders`, a trie: ``prefix`` is how many bits of the other fields count."""

    prefix: int
    list: int
    family: int
    address: Address
    _fields_ = (("prefix", c_uint32), ("list", c_uint32), ("family", c_uint32), ("address", Address))


class NeighbourKey(ctypes.Structure):
    """A key of `neighbours`."""

    domain: int
    address: Address
    _fields_ = (("domain", c_uint32), ("address", Address))


class NeighbourValue(ctypes.Structure):
    """A value of `neighbours`."""

    mac: ctypes.Array[c_uint8]
    unused: int
    _fields_ = (("mac", c_uint8 * 6), ("unused", c_uint16))


class QuestionKey(ctypes.Structure):
    """A key of `questions`."""

    nonce: int
    _fields_ = (("nonce", c_uint64),)


class Question(ctypes.Structure):
    """A value of `questions`; ``back`` has member 0 as long as it has not come in again."""

    member: int
    back: Place
    _fields_ = (("member", c_uint32), ("back", Place))


class FloodKey(ctypes.Structure):
    """A key of `flood`."""

    domain: int
    version: int
    index: int
    _fields_ = (("domain", c_uint32), ("version", c_uint32), ("index", c_uint32))


class ArrivalKey(ctypes.Structure):
    """A key of `arrivals`."""

    vni: int
    dstport: int
    local: Address
    remote: Address
    _fields_ = (("vni", c_uint32), ("dstport", c_uint32), ("local", Address), ("remote", Address))


class Heard(ctypes.Structure):
    """What the ring buffer `heard` has of a frame, ``length`` bytes of it."""

    remote: Address
    length: int
    frame: ctypes.Array[c_uint8]
    _fields_ = (("remote", Address), ("length", c_uint32), ("frame", c_uint8 * HEARD_LEN))


class Traffic(ctypes.Structure):
    """A value of `traffic`, one for each CPU: packets, and bytes of tenant frames without the outer headers.

    ``told`` is no count but a time: of the limit on ICMP errors to a port.
    """

    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int
    unlearned: int
    suppressed: int
    told: int
    _fields_ = (
        ("rx_packets", c_uint64),
        ("rx_bytes", c_uint64),
        ("tx_packets", c_uint64),
        ("tx_bytes", c_uint64),
        ("unlearned", c_uint64),
        ("suppressed", c_uint64),
        ("told", c_uint64),
    )


COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "unlearned", "suppressed")
"""What of `Traffic` is a count."""


class Drops(ctypes.Structure):
    """A value of `drops`, one for each CPU."""

    frames: int
    _fields_ = (("frames", c_uint64),)


def fields_of(structure: type[ctypes.Structure], *names: str) -> struct.Struct:
    """Return what takes these fields, in the order in which they lie, out of many structures' bytes in a row.

    Those of 4 and of 8 bytes as integers, others as bytes.
    """
    form, end = "=", 0
    for name in names:
        field = getattr(structure, name)
        form += f"{field.offset - end}x{_INTEGERS.get(field.size, f'{field.size}s')}"
        end = field.offset + field.size
    return struct.Struct(f"{form}{ctypes.sizeof(structure) - end}x")


_INTEGERS = {4: "I", 8: "Q"}


def _shape(structure: type[ctypes.Structure]) -> str:
    """Describe where every field lies, and of what size it is."""
    fields = ((field[0], getattr(structure, field[0])) for field in structure._fields_)
    places = ", ".join(f"{name} {place.offset} {place.size}" for name, place in fields)
    return f"{structure.__name__}({places})"


SHARED = (
    State,
    VtepValue,
    Domain,
    Member,
    VlanSet,
    FdbKey,
    FdbValue,
    Moved,
    SourceKey,
    SenderKey,
    NeighbourKey,
    NeighbourValue,
    QuestionKey,
    Question,
    FloodKey,
    ArrivalKey,
    Heard,
    Traffic,
    Drops,
)

MEANING = 2
"""Counted up when a value comes to mean something else, or when a field that is new may not begin as zero.

Maps of another layout are taken over field by field (handover.py), but not those of another meaning.
"""

LAYOUT = zlib.crc32(" ".join((str(MEANING), *map(_shape, SHARED))).encode())
"""A checksum of all of the above: maps whose `state` has another one are another version's (handover.py)."""
