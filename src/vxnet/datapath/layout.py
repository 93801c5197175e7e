# SPDX-License-Identifier: Apache-2.0
"""The keys and values of the eBPF maps, as bpf/structs.h lays them out in memory.

Field for field the same: every size is compared with the compiled object's before that is loaded (`libbpf.load`), and a
test compares every field's offset with the object's type information (BTF).
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64
from ipaddress import IPv4Address

LAYOUT_VERSION = 1
"""Counted up when the meaning or the size of anything here changes; maps of another version are not adopted."""

NAME_LEN = 64

DOMAIN_LEARNING = 1
MEMBER_FREE, MEMBER_PORT, MEMBER_TUNNEL = 0, 1, 2
MEMBER_PEER = 1
ANY_VNI = 1 << 24
FDB_STATIC = 1

_MAPPED = b"\0" * 10 + b"\xff\xff"


class Address(ctypes.Structure):
    """128 bits in network byte order; IPv4 in its mapped form (RFC 4291, section 2.5.5.2)."""

    _fields_ = (("raw", c_uint8 * 16),)

    @classmethod
    def of(cls, address: IPv4Address | None) -> Address:
        """``address``, or all zero for none."""
        return cls.from_buffer_copy(bytes(16) if address is None else _MAPPED + address.packed)

    def ipv4(self) -> IPv4Address | None:
        """Back again; None for all zero."""
        raw = bytes(self.raw)
        return IPv4Address(raw[12:]) if any(raw) else None


class Place(ctypes.Structure):
    """Where a MAC is: a port, or a remote behind a tunnel."""

    member: int
    remote: Address
    _fields_ = (("member", c_uint32), ("remote", Address))


class VtepValue(ctypes.Structure):
    """The one element of `vtep`."""

    local: Address
    underlay: int
    overlay: int
    mtu: int
    epoch: int
    dstport: int
    layout: int
    domains_high: int
    members_high: int
    _fields_ = (
        ("local", Address),
        ("underlay", c_uint32),
        ("overlay", c_uint32),
        ("mtu", c_uint32),
        ("epoch", c_uint32),
        ("dstport", c_uint16),
        ("layout", c_uint16),
        ("domains_high", c_uint32),
        ("members_high", c_uint32),
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
    name: bytes
    _fields_ = (
        ("ageing", c_uint64),
        ("flood_version", c_uint32),
        ("flood_count", c_uint32),
        ("flags", c_uint32),
        ("vni", c_uint32),
        ("maxaddress", c_uint32),
        ("used", c_uint32),
        ("name", c_char * NAME_LEN),
    )


class Member(ctypes.Structure):
    """A value of `members`."""

    kind: int
    domain: int
    ifindex: int
    flags: int
    vni: int
    local: Address
    group: Address
    name: bytes
    _fields_ = (
        ("kind", c_uint32),
        ("domain", c_uint32),
        ("ifindex", c_uint32),
        ("flags", c_uint32),
        ("vni", c_uint32),
        ("local", Address),
        ("group", Address),
        ("name", c_char * 16),
    )


class FdbKey(ctypes.Structure):
    """A key of `fdb`."""

    domain: int
    vlan: int
    mac: ctypes.Array[c_uint8]
    _fields_ = (("domain", c_uint32), ("vlan", c_uint16), ("mac", c_uint8 * 6))

    @classmethod
    def of(cls, domain: int, mac: bytes) -> FdbKey:
        """Return the key of ``mac`` (6 bytes) in a domain without VLANs."""
        return cls(domain, 0, (c_uint8 * 6)(*mac))


class FdbValue(ctypes.Structure):
    """A value of `fdb`; ``last_seen`` in nanoseconds of CLOCK_MONOTONIC."""

    place: Place
    flags: int
    last_seen: int
    _fields_ = (("place", Place), ("flags", c_uint32), ("last_seen", c_uint64))


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


class Traffic(ctypes.Structure):
    """A value of `traffic`, one for each CPU: packets, and bytes of tenant frames without the outer headers."""

    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int
    unlearned: int
    _fields_ = (
        ("rx_packets", c_uint64),
        ("rx_bytes", c_uint64),
        ("tx_packets", c_uint64),
        ("tx_bytes", c_uint64),
        ("unlearned", c_uint64),
    )


class Drops(ctypes.Structure):
    """A value of `drops`, one for each CPU."""

    frames: int
    _fields_ = (("frames", c_uint64),)
