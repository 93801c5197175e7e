# SPDX-License-Identifier: Apache-2.0
"""The options of an Interface of type vxlan, as a tunnel of the model, or the error that Open vSwitch users know.

    remote_ip            an address, or flow: anybody's packets are taken, and a MAC's are sent to where it was learned
    local_ip             an address; unset or flow: any of this host's
    key, in_key, out_key a VNI (0 if unset), or flow: any VNI is taken, 0 is sent
    dst_port, ttl, tos   numbers; ttl and tos also inherit: the inner packet's
    csum, df_default     true or false

Where Open vSwitch takes a value that cannot mean anything, such as a VNI of 25 bits, the Interface gets an error here.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import msgspec

from vxnet.model import VNI_MAX, VXLAN_PORT, IPAddress, Tunnel
from vxnet.sources.values import vtep_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vxnet.model import Vlans
    from vxnet.sources.ovsdb.rows import InterfaceRow

FLOW, INHERIT = "flow", "inherit"
TTL = 64
_DSCP = 0xFC
"""The bits of the TOS octet that are not ECN's (RFC 2474, section 3)."""

_OURS = {"remote_ip", "local_ip", "key", "in_key", "out_key", "dst_port", "ttl", "tos", "csum", "df_default"}
_IPSEC = re.compile(r"psk|ipsec_.*|remote_cert|remote_name|certificate|private_key|peer_cert|use_ssl_cert")
"""Options for ovs-monitor-ipsec. The fast path passes by the kernel's IPsec: packets would leave in the clear."""

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")


class Read(msgspec.Struct, frozen=True):
    """What was read: a tunnel or an error, and lines for the log about what is ignored, as Open vSwitch does."""

    tunnel: Tunnel | None
    error: str = ""
    notes: tuple[str, ...] = ()


class _BadError(Exception):
    """The Interface cannot be; the text follows its name."""


def tunnel(row: InterfaceRow, bridge: str, vlans: Vlans) -> Read:
    """Read one row."""
    notes: list[str] = []
    try:
        found = _tunnel(row, bridge, vlans, notes)
    except _BadError as error:
        return Read(None, "\n".join(f"{row.name}: {line}" for line in str(error).splitlines()))
    return Read(found, notes=tuple(f"{row.name}: {note}" for note in notes))


def _tunnel(row: InterfaceRow, bridge: str, vlans: Vlans, notes: list[str]) -> Tunnel:
    options = row.options
    _refuse_undone(options)
    remote = _remote(options)
    local = _local(options, notes)
    notes += [f"unknown vxlan argument '{key}'" for key in options if not _is_known(key)]
    vni, vni_out = _key(options, "in_key"), _key(options, "out_key")
    return Tunnel(
        name=row.name,
        bridge=bridge,
        vni=vni,
        vni_out=vni_out or 0,
        remote=remote,
        local=local,
        dstport=_dst_port(options),
        ttl=_ttl(options, notes),
        tos=_tos(options, notes),
        df=options.get("df_default") != "false",
        csum=options.get("csum") == "true",
        vlans=vlans,
    )


def _is_known(key: str) -> bool:
    return key in _OURS or key in {"exts", "packet_type"}


def _refuse_undone(options: Mapping[str, str]) -> None:
    if extensions := options.get("exts"):
        raise _BadError(f"vxnet does not do the vxlan extensions '{extensions}'")
    if options.get("packet_type", "legacy_l2") != "legacy_l2":
        raise _BadError(f"vxnet does not do packet_type '{options['packet_type']}'")
    if asked := next(filter(_IPSEC.fullmatch, options), None):
        raise _BadError(f"vxnet does not do IPsec: '{asked}'")
    if "egress_pkt_mark" in options:
        raise _BadError("vxnet does not do 'egress_pkt_mark'")


# --- addresses ------------------------------------------------------------------------------------------------------


def _remote(options: Mapping[str, str]) -> IPAddress | None:
    text = options.get("remote_ip")
    if text is None:
        raise _BadError("vxlan type requires valid 'remote_ip' argument")
    if text == FLOW:
        return None
    address = _address(text)
    if address is None:
        raise _BadError("bad vxlan 'remote_ip'\nvxlan type requires valid 'remote_ip' argument")
    if address.is_multicast:
        raise _BadError(f"multicast remote_ip={text} not allowed")
    local = _address(options.get("local_ip", ""))
    if local is not None and local.version != address.version:
        raise _BadError("'remote_ip' and 'local_ip' has to be of the same address family")
    return _usable("remote_ip", address)


def _local(options: Mapping[str, str], notes: list[str]) -> IPAddress | None:
    text = options.get("local_ip")
    if text is None:
        return None
    if text == FLOW:
        if options.get("remote_ip") != FLOW:
            raise _BadError("vxlan type requires 'remote_ip=flow' with 'local_ip=flow'")
        return None
    address = _address(text)
    if address is None:
        notes.append("bad vxlan 'local_ip'")
        return None
    return _usable("local_ip", address)


def _address(text: str) -> IPAddress | None:
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except ValueError:
        return None


def _usable(option: str, address: IPAddress) -> IPAddress:
    if why := vtep_address(address):
        raise _BadError(f"bad vxlan '{option}': {address} {why.partition(';')[0]}")
    return address


# --- numbers --------------------------------------------------------------------------------------------------------


def _key(options: Mapping[str, str], direction: str) -> int | None:
    """Return the VNI of one direction, None for "flow"."""
    option = direction if direction in options else "key"
    text = options.get(option, "0")
    if text == FLOW:
        return None
    vni = _number(text)
    if vni is None or vni > VNI_MAX:
        raise _BadError(f"bad vxlan '{option}': {text} is no VNI, which has 24 bits: 0 to {VNI_MAX}")
    return vni


def _dst_port(options: Mapping[str, str]) -> int:
    text = options.get("dst_port", str(VXLAN_PORT))
    port = _number(text)
    if port is None or not 1 <= port <= 65535:
        raise _BadError(f"bad vxlan 'dst_port': {text} is no UDP port: 1 to 65535")
    return port


def _ttl(options: Mapping[str, str], notes: list[str]) -> int:
    """Return the TTL, 0 for the inner packet's."""
    text = options.get("ttl", "0")
    if text == INHERIT:
        return 0
    ttl = _number(text)
    if ttl is None or ttl > 255:
        notes.append(f"invalid TTL {text}")
        return TTL
    return ttl or TTL


def _tos(options: Mapping[str, str], notes: list[str]) -> int | None:
    """Return the TOS octet, None for the inner packet's."""
    text = options.get("tos", "0")
    if text == INHERIT:
        return None
    tos = _number(text)
    if tos is None or tos & ~_DSCP:
        notes.append(f"invalid TOS {text}")
        return 0
    return tos


def _number(text: str) -> int | None:
    """Read a number as strtoul(3) does with base 0: decimal, 0x and hexadecimal, 0 and octal; None if it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text, 8) if text.startswith("0") and text.isdigit() else int(text, 0)
    except ValueError:  # Python reads no number of more than 4300 digits
        return None
