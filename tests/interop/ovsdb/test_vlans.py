# SPDX-License-Identifier: Apache-2.0
"""VLAN modes of ports and of tunnels: with which tags a frame comes out where, for every tag it may come in with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.ports import Ports, Sent, ports

if TYPE_CHECKING:
    from collections.abc import Iterator

TUNNELS = "add-port br0 v2 -- set interface v2 type=vxlan options:remote_ip=192.168.146.132 options:key=2 \
-- add-port br0 v3 -- set interface v3 type=vxlan options:remote_ip=192.168.146.133 options:key=3"
TAPS = ("t0", "t1", "t2", "t3")


@pytest.fixture(scope="module")
def host(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Build a bridge with four TAPs and two tunnels."""
    with ports(tmp_path_factory.mktemp("vlans") / "h1", kind, TAPS) as built:
        built.vsctl(f"add-br br0 {' '.join(f'-- add-port br0 {tap}' for tap in TAPS)} -- {TUNNELS}")
        built.warm()
        yield built


class Case(NamedTuple):
    """Settings of ports, and what becomes of broadcasts: (where it comes in, tags) to {where it comes out: tags}."""

    settings: dict[str, str]
    ways: dict[tuple[str, str], dict[str, str]]


CASES = {
    "default is a trunk of all": Case(
        {},
        {
            ("t0", "-"): {"t1": "-", "t2": "-", "t3": "-", "h2": "2 -", "h3": "3 -"},
            ("t0", "10p3"): {"t1": "10p3", "t2": "10p3", "t3": "10p3", "h2": "2 10p3", "h3": "3 10p3"},
            ("t0", "10/30"): {"t1": "10/30", "t2": "10/30", "t3": "10/30", "h2": "2 10/30", "h3": "3 10/30"},
            ("h2", "4094"): {"t0": "4094", "t1": "4094", "t2": "4094", "t3": "4094", "h3": "3 4094"},
            ("h2", "0"): {"t0": "-", "t1": "-", "t2": "-", "t3": "-", "h3": "3 -"},
        },
    ),
    "access and trunk": Case(
        {"t0": "tag=10", "t1": "tag=10", "t2": "trunks=10,20", "t3": "tag=20", "v2": "tag=10", "v3": "trunks=20"},
        {
            ("t0", "-"): {"t1": "-", "t2": "10", "h2": "2 -"},
            ("t0", "0p3"): {"t1": "-", "t2": "10p3", "h2": "2 -"},
            ("t0", "10"): {},
            ("t0", "20"): {},
            ("t2", "-"): {},
            ("t2", "10p3"): {"t0": "-", "t1": "-", "h2": "2 -"},
            ("t2", "20"): {"t3": "-", "h3": "3 20"},
            ("t2", "30"): {},
            ("t2", "10/30"): {"t0": "30", "t1": "30", "h2": "2 30"},
            ("h2", "-"): {"t0": "-", "t1": "-", "t2": "10"},
            ("h2", "10"): {},
            ("h3", "-"): {},
            ("h3", "10"): {},
            ("h3", "20"): {"t2": "20", "t3": "-"},
        },
    ),
    "native VLANs": Case(
        {
            "t0": "tag=10 vlan_mode=native-tagged",
            "t1": "tag=10 vlan_mode=native-untagged",
            "t2": "tag=10",
            "v2": "tag=10 vlan_mode=native-untagged",
            "v3": "tag=10 vlan_mode=native-tagged trunks=20",
        },
        {
            ("t0", "-"): {"t1": "-", "t2": "-", "t3": "10", "h2": "2 -", "h3": "3 10"},
            ("t0", "10p3"): {"t1": "-", "t2": "-", "t3": "10p3", "h2": "2 -", "h3": "3 10p3"},
            ("t0", "20"): {"t1": "20", "t3": "20", "h2": "2 20", "h3": "3 20"},
            ("t0", "10/30"): {"t1": "30", "t2": "30", "t3": "10/30", "h2": "2 30", "h3": "3 10/30"},
            ("t1", "0p3"): {"t0": "10p3", "t2": "-", "t3": "10p3", "h2": "2 -", "h3": "3 10p3"},
            ("t1", "30"): {"t0": "30", "t3": "30", "h2": "2 30"},
            ("t3", "-"): {},
            ("t3", "10"): {"t0": "10", "t1": "-", "t2": "-", "h2": "2 -", "h3": "3 10"},
            ("h2", "-"): {"t0": "10", "t1": "-", "t2": "-", "t3": "10", "h3": "3 10"},
            ("h3", "-"): {"t0": "10", "t1": "-", "t2": "-", "t3": "10", "h2": "2 -"},
            ("h3", "20"): {"t0": "20", "t1": "20", "t3": "20", "h2": "2 20"},
            ("h3", "30"): {},
        },
    ),
    "VLAN 0": Case(
        {
            "t0": "tag=10 vlan_mode=trunk",
            "t1": "vlan_mode=access",
            "t2": "vlan_mode=native-untagged",
            "t3": "tag=10 trunks=20",
            "v2": "trunks=0",
            "v3": "trunks=0,10",
        },
        {
            ("t0", "-"): {"t1": "-", "t2": "-", "h2": "2 -", "h3": "3 -"},
            ("t0", "0p3"): {"t1": "-", "t2": "-", "h2": "2 0p3", "h3": "3 0p3"},
            ("t0", "10"): {"t2": "10", "t3": "-", "h3": "3 10"},
            ("t1", "-"): {"t0": "-", "t2": "-", "h2": "2 -", "h3": "3 -"},
            ("t1", "10"): {},
            ("t3", "-"): {"t0": "10", "t2": "10", "h3": "3 10"},
            ("t3", "20"): {},
            ("h2", "10"): {},
        },
    ),
    "802.1ad": Case(
        {"t0": "tag=10", "t1": "trunks=10", "t2": "trunks=20", "v2": "tag=10", "v3": "trunks=10"},
        {
            ("t1", "s:10p3"): {"t0": "-", "t3": "s:10p3", "h2": "2 -", "h3": "3 s:10p3"},
            ("h3", "s:10/30"): {"t0": "30", "t1": "s:10/30", "t3": "s:10/30", "h2": "2 30"},
            ("t0", "s:10"): {},
            ("h2", "s:10"): {},
            ("t1", "s:20"): {},
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_tags(host: Ports, name: str) -> None:
    """Each broadcast comes out at the ports of its VLAN and nowhere else, with the tags its mode gives it."""
    case = CASES[name]
    clear = [f"clear port {port} tag trunks vlan_mode" for port in (*TAPS, "v2", "v3")]
    change = [f"set port {port} {settings}" for port, settings in case.settings.items()]
    host.vsctl(" -- ".join([*clear, *change]))
    host.switch.settle()
    sent = [Sent(at, tags, vni=int(at[1])) for at, tags in case.ways]
    found = host.send(*sent, expecting=sum(map(len, case.ways.values())))
    assert dict(zip(case.ways, found, strict=True)) == case.ways


def test_addresses_are_learned_by_vlan(host: Ports) -> None:
    """What is known in one VLAN is not known in another; a frame for where it comes from goes nowhere."""
    host.vsctl(" -- ".join(f"clear port {port} tag trunks vlan_mode" for port in (*TAPS, "v2", "v3")))
    mac = "02:00:00:00:00:21"
    (learned,) = host.send(Sent("h2", "10", src=mac, vni=2), expecting=5)
    known, unknown, back = host.send(
        Sent("t0", "10", dst=mac),
        Sent("t0", "20", dst=mac),
        Sent("h2", "10", dst=mac, src="02:00:00:00:00:22", vni=2),
        expecting=1 + 5,
    )
    assert learned.keys() == {*TAPS, "h3"}
    assert known == {"h2": "2 10"}
    assert unknown.keys() == {"t1", "t2", "t3", "h2", "h3"}
    assert back == {}
