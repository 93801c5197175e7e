# SPDX-License-Identifier: Apache-2.0
"""What a single value may be, whatever stands beside it.

Each check takes the value and returns what is wrong with it, to be read after the value ("16777216 is above ..."), or
None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from vxnet.model import VNI_MAX, VNI_MIN
from vxnet.packet.errors import MalformedError
from vxnet.packet.mac import ZERO, is_group

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

    from vxnet.model import IPAddress

Number = Callable[[int], str | None]
"""A check of a number."""

AGEING_MAX = 2**32 - 1
"""Seconds, as in Linux's VXLAN device; as nanoseconds it fits 63 bits."""

MAXADDRESS_MAX = 2**20
"""The whole FDB has so many entries."""

MAX_MOVES_MAX = 2**20
"""More than anybody counts."""

STORM_CONTROL_MAX = 10_000_000
"""Frames a second: more than a host floods."""
INTERVAL_MIN, INTERVAL_MAX = 100, 60_000
"""Milliseconds. A process that waits for its turn cannot keep to less."""

SEGMENT_NAME_MAX = 63
DEVICE_NAME_MAX = 15
"""Bytes: Linux's IFNAMSIZ is 16 with the final zero."""


def within(least: int, most: int, why: str) -> Number:
    """Return the check of a number that has bounds; ``why`` says where they come from."""

    def check(value: int) -> str | None:
        if value < least:
            return f"is below {least}; {why}"
        return f"is above {most}; {why}" if value > most else None

    return check


vni = within(VNI_MIN, VNI_MAX, f"a VNI has 24 bits: {VNI_MIN} to {VNI_MAX}")
udp_port = within(1, 65535, "a UDP port has 16 bits: 1 to 65535")
ageing = within(0, AGEING_MAX, f"ageing is in seconds: 0 (never) to {AGEING_MAX}")
maxaddress = within(1, MAXADDRESS_MAX, f"maxaddress is 1 to {MAXADDRESS_MAX}; learning = false is how to learn none")

max_moves = within(0, MAX_MOVES_MAX, f"it is moves in 180 seconds: 0 (any number) to {MAX_MOVES_MAX}")
storm_control = within(0, STORM_CONTROL_MAX, f"it is in frames a second: 0 (any number) to {STORM_CONTROL_MAX}")
storm_control_of_port = within(1, STORM_CONTROL_MAX, f"it is in frames a second: 1 to {STORM_CONTROL_MAX}")
interval = within(INTERVAL_MIN, INTERVAL_MAX, f"intervals are in milliseconds: {INTERVAL_MIN} to {INTERVAL_MAX}")
detect_mult = within(1, 255, "detect_mult has 8 bits and is not 0: 1 to 255")

ttl = within(1, 255, 'ttl is 1 to 255, or "inherit"')
_tos_octet = within(0, 255, 'tos is an octet: 0 to 255, or "inherit"')


def tos(value: int) -> str | None:
    """Accept a TOS octet whose last two bits, ECN, are left to the inner packet (RFC 6040)."""
    return _tos_octet(value) or ("has ECN bits (the last two), which are the inner packet's" if value & 3 else None)


# --- addresses ------------------------------------------------------------------------------------------------------

_MULTICAST = "is a multicast address; that is what group = is for"
_LOOPBACK = "is a loopback address, which no other host can reach"

_NOT_A_HOST: Mapping[IPv4Network | IPv6Network, str] = {
    ip_network("0.0.0.0/8"): "is no host's address: 0.0.0.0/8 means this network",
    ip_network("127.0.0.0/8"): _LOOPBACK,
    ip_network("224.0.0.0/4"): _MULTICAST,
    ip_network("255.255.255.255/32"): "is the broadcast address",
    ip_network("::/128"): "is no host's address: it means any",
    ip_network("::1/128"): _LOOPBACK,
    ip_network("::ffff:0:0/96"): "is an IPv4 address written as IPv6; write it as IPv4",
    ip_network("fe80::/10"): "means another host on every link; give the hosts addresses in fd00::/8, or global ones",
    ip_network("ff00::/8"): _MULTICAST,
}

_NOT_A_GROUP: Mapping[IPv4Network | IPv6Network, str] = {
    ip_network("224.0.0.0/24"): "belongs to routing protocols and passes no router (224.0.0.0/24); "
    "choose a group in 239.0.0.0/8",
    ip_network("ff00::/14"): "stays on one link (ff00::/14); choose a group in ff05::/16, or ff08::/16",
}


@lru_cache(maxsize=4096)  # hosts are many fewer than the segments they are in
def vtep_address(value: IPAddress) -> str | None:
    """Accept what one host in the underlay may have. 240.0.0.0/4 may be one: Linux and some clouds use it."""
    return _in(_NOT_A_HOST, value)


def group_address(value: IPAddress) -> str | None:
    """Accept a multicast address that routers forward (RFC 5771, section 4; RFC 4291, section 2.7)."""
    if not value.is_multicast:
        return "is not a multicast address; a group is in 224.0.0.0/4, best in 239.0.0.0/8, or in ff05::/16"
    return _in(_NOT_A_GROUP, value)


def prefix_of_hosts(value: str) -> str | None:
    """Accept a prefix of the underlay, as it is canonically written."""
    try:
        network = ip_network(value)
    except ValueError:
        return "is not a prefix; write it as 192.168.146.0/24 or fd00:92::/64, without bits of a host"
    return None if str(network) == value else f"is written {network}"


def _in(networks: Mapping[IPv4Network | IPv6Network, str], value: IPAddress) -> str | None:
    return next((why for network, why in networks.items() if value in network), None)


# --- names ----------------------------------------------------------------------------------------------------------

_SEGMENT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

# What the kernel refuses in a name (net/core/dev.c, dev_valid_name), byte by byte: its isspace() counts 0xa0 in. "%"
# it takes for a place to put a number in, so that no device can have it.
_NOT_IN_DEVICE_NAMES = frozenset(b"/:% \t\n\v\f\r\xa0")


def segment_name(value: str) -> str | None:
    """Accept 1 to 63 letters, digits, '_', '.', '-', not beginning with one of the last two."""
    if len(value) > SEGMENT_NAME_MAX:
        return f"has {len(value)} characters, and a segment's name at most {SEGMENT_NAME_MAX}"
    if not _SEGMENT_NAME.fullmatch(value):
        return "is no segment name: letters, digits, '_', '.' and '-', not beginning with '.' or '-'"
    return None


def device_name(value: str) -> str | None:
    """Accept what Linux lets a network device be called."""
    raw = value.encode(errors="replace")
    if len(raw) > DEVICE_NAME_MAX:
        return f"has {len(raw)} bytes, and a device's name at most {DEVICE_NAME_MAX}"
    if value in {"", ".", ".."} or not value.isprintable() or _NOT_IN_DEVICE_NAMES & set(raw):
        return "cannot be a device's name: Linux refuses it"
    return None


def mac_address(value: str) -> str | None:
    """Accept one machine's MAC address, in either case."""
    try:
        group = is_group(value)
    except MalformedError:
        return "is not a MAC address; write it as 52:54:00:12:34:56"
    if group:
        return "is a group address, and the FDB holds single machines"
    return "is no machine's address" if value == ZERO else None
