# SPDX-License-Identifier: Apache-2.0
"""sources/ovsdb/vxlan.py: options of a tunnel, and the errors that Open vSwitch users know."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from tests.unit.ovsrows import REMOTE, vxlan
from vxnet.model import ALL_VLANS, Tunnel
from vxnet.sources.ovsdb.vxlan import Read, tunnel

DEFAULT = Tunnel(name="e", bridge="br0", vni=0, vni_out=0, remote=IPv4Address(REMOTE))


def read(**options: str) -> Read:
    """What these options come to."""
    return tunnel(vxlan("e", None, **options), "br0", ALL_VLANS)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {}),
        ({"key": "5001"}, {"vni": 5001, "vni_out": 5001}),
        ({"key": "0x10"}, {"vni": 16, "vni_out": 16}),
        ({"key": "010"}, {"vni": 8, "vni_out": 8}),
        ({"key": "16777215"}, {"vni": 16777215, "vni_out": 16777215}),
        ({"in_key": "5", "out_key": "6"}, {"vni": 5, "vni_out": 6}),
        ({"key": "7", "in_key": "5"}, {"vni": 5, "vni_out": 7}),
        ({"in_key": "5"}, {"vni": 5, "vni_out": 0}),
        ({"key": "flow"}, {"vni": None, "vni_out": 0}),
        ({"in_key": "flow", "out_key": "6"}, {"vni": None, "vni_out": 6}),
        ({"remote_ip": "flow"}, {"remote": None}),
        ({"remote_ip": "flow", "local_ip": "flow"}, {"remote": None}),
        ({"local_ip": "192.0.2.1"}, {"local": IPv4Address("192.0.2.1")}),
        (
            {"remote_ip": "fd00::2", "local_ip": "fd00::1"},
            {"remote": IPv6Address("fd00::2"), "local": IPv6Address("fd00::1")},
        ),
        ({"dst_port": "8472"}, {"dstport": 8472}),
        ({"ttl": "5"}, {"ttl": 5}),
        ({"ttl": "0"}, {"ttl": 64}),
        ({"ttl": "inherit"}, {"ttl": 0}),
        ({"tos": "0x20"}, {"tos": 32}),
        ({"tos": "inherit"}, {"tos": None}),
        ({"csum": "true"}, {"csum": True}),
        ({"df_default": "false"}, {"df": False}),
        ({"df_default": "true", "csum": "false", "packet_type": "legacy_l2"}, {}),
    ],
)
def test_options(options: dict[str, str], fields: dict[str, Any]) -> None:
    """Each option sets what it is for; nothing else changes, and nothing is said."""
    found = read(**options)
    expected = {field: getattr(DEFAULT, field) for field in DEFAULT.__struct_fields__} | fields
    assert found == Read(Tunnel(**expected))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"remote_ip": ""}, "e: vxlan type requires valid 'remote_ip' argument"),
        ({"remote_ip": "banana"}, "e: bad vxlan 'remote_ip'\ne: vxlan type requires valid 'remote_ip' argument"),
        ({"remote_ip": "239.1.1.1"}, "e: multicast remote_ip=239.1.1.1 not allowed"),
        ({"remote_ip": "ff02::1"}, "e: multicast remote_ip=ff02::1 not allowed"),
        ({"local_ip": "flow"}, "e: vxlan type requires 'remote_ip=flow' with 'local_ip=flow'"),
        ({"local_ip": "fd00::1"}, "e: 'remote_ip' and 'local_ip' has to be of the same address family"),
        ({"remote_ip": "fe80::1"}, "e: bad vxlan 'remote_ip': fe80::1 means another host on every link"),
        (
            {"remote_ip": "127.0.0.1"},
            "e: bad vxlan 'remote_ip': 127.0.0.1 is a loopback address, which no other host can reach",
        ),
        ({"key": "16777216"}, "e: bad vxlan 'key': 16777216 is no VNI, which has 24 bits: 0 to 16777215"),
        ({"out_key": "banana"}, "e: bad vxlan 'out_key': banana is no VNI, which has 24 bits: 0 to 16777215"),
        ({"key": "-1"}, "e: bad vxlan 'key': -1 is no VNI, which has 24 bits: 0 to 16777215"),
        ({"dst_port": "70000"}, "e: bad vxlan 'dst_port': 70000 is no UDP port: 1 to 65535"),
        ({"dst_port": "0"}, "e: bad vxlan 'dst_port': 0 is no UDP port: 1 to 65535"),
        ({"exts": "gbp"}, "e: vxnet does not do the vxlan extensions 'gbp'"),
        ({"psk": "swordfish"}, "e: vxnet does not do IPsec: 'psk'"),
        ({"egress_pkt_mark": "7"}, "e: vxnet does not do 'egress_pkt_mark'"),
        ({"packet_type": "ptap"}, "e: vxnet does not do packet_type 'ptap'"),
    ],
)
def test_errors(options: dict[str, str], error: str) -> None:
    """Open vSwitch's own words where it has an error; ours where it takes what cannot mean anything."""
    assert read(**options) == Read(None, error)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"foo": "1"}, "e: unknown vxlan argument 'foo'"),
        ({"local_ip": "banana"}, "e: bad vxlan 'local_ip'"),
        ({"tos": "3"}, "e: invalid TOS 3"),
        ({"tos": "banana"}, "e: invalid TOS banana"),
        ({"ttl": "300"}, "e: invalid TTL 300"),
    ],
)
def test_what_is_ignored_is_said(options: dict[str, str], note: str) -> None:
    """What Open vSwitch only warns of is left at its default, and the log says so."""
    assert read(**options) == Read(DEFAULT, notes=(note,))
