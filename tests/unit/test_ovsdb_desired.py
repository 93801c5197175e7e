# SPDX-License-Identifier: Apache-2.0
"""sources/ovsdb: from rows to the desired state, and the error that each row that cannot be gets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.unit.ovsrows import Bridge, database, interface, links, port, uuid, vxlan
from vxnet import model
from vxnet.model import ALL_VLANS, Vlans
from vxnet.sources.ovsdb import macs
from vxnet.sources.ovsdb.desired import Wanted, desired

UNIVERSAL, LOWER, LOCAL = "00:16:3e:00:00:07", "00:16:3e:00:00:01", "02:00:00:00:00:01"


def wanted(*bridges: Bridge, **devices: str | None) -> Wanted:
    """What bridges come to on a host with these devices."""
    return desired(database(*bridges), links(**devices))


def ports(found: Wanted) -> dict[str, model.Port]:
    """The ports by name."""
    return {port.device: port for port in found.state.ports}


def test_a_bridge_has_its_own_device() -> None:
    """add-br: a bridge, and an internal port of its name."""
    found = wanted(Bridge("br0"))
    assert found.state.bridges == (model.Bridge(name="br0", maxaddress=8192),)
    own = ports(found)["br0"]
    assert (own.segment, own.internal, own.mtu, own.vlans) == ("br0", True, 1500, ALL_VLANS)
    assert own.mac == macs.made_of(uuid("Bridge", "br0"))
    assert not found.errors
    assert not found.notes


def test_a_device_is_an_error_until_it_is_there() -> None:
    """A TAP or veth that does not exist yet fails in Open vSwitch's words; once it is there it is a port."""
    bridge = Bridge("br0", interface("tap0"))
    assert wanted(bridge).errors == {"tap0": "could not open network device tap0 (No such device)"}
    found = wanted(bridge, tap0=LOCAL)
    assert not found.errors
    assert ports(found)["tap0"] == model.Port(device="tap0", segment="br0")


def test_internal_ports() -> None:
    """type=internal makes a device, with the MAC and MTU of its row."""
    found = wanted(Bridge("br0", interface("int0", type="internal", mac="52:54:00:AA:00:01", mtu_request=1400)))
    int0 = ports(found)["int0"]
    assert (int0.internal, int0.mac, int0.mtu) == (True, "52:54:00:aa:00:01", 1400)


def test_internal_ports_have_the_least_mtu() -> None:
    """The MTU of internal ports is the least of the bridge's other devices."""
    mtus = {"a": 9000, "b": 1400}
    devices = {name: replace(link, mtu=mtus[name]) for name, link in links(a=LOCAL, b=LOCAL).items()}
    found = desired(database(Bridge("br0", interface("a"), interface("b"))), devices)
    assert ports(found)["br0"].mtu == 1400


@pytest.mark.parametrize(
    ("columns", "devices", "mac"),
    [
        ({}, {"a": UNIVERSAL, "b": LOWER}, LOWER),
        ({}, {"a": LOCAL, "b": UNIVERSAL}, UNIVERSAL),
        ({"other_config": {"hwaddr": "52:54:00:AA:BB:CC"}}, {"a": LOWER, "b": LOWER}, "52:54:00:aa:bb:cc"),
        ({"other_config": {"hwaddr": "01:00:5e:00:00:01"}}, {"a": LOWER, "b": LOWER}, LOWER),
        ({"other_config": {"hwaddr": "banana"}}, {"a": LOWER, "b": LOWER}, LOWER),
    ],
)
def test_the_mac_of_a_bridge(columns: dict[str, Any], devices: dict[str, str], mac: str) -> None:
    """hwaddr if it is a MAC, else the lowest that a maker gave to one of its ports' devices."""
    bridge = Bridge("br0", interface("a"), interface("b"), **columns)
    assert ports(wanted(bridge, **devices))["br0"].mac == mac


def test_the_mac_made_of_a_uuid() -> None:
    """The same as the real one makes (seen with Open vSwitch 3.1)."""
    assert macs.made_of(UUID("deb8fe2c-34c5-4f80-0000-000000000000")) == "2e:fe:b8:de:80:4f"


@pytest.mark.parametrize(
    ("asked", "made"),
    [(None, "0000020000000001"), ("00000000000000aB", "00000000000000ab"), ("0x12", f"{0x12:016x}"), ("x", None)],
)
def test_datapath_id(asked: str | None, made: str | None) -> None:
    """other_config:datapath-id if it is one, else two zero bytes and the MAC."""
    assert macs.datapath_id(asked, LOCAL) == (made or "0000020000000001")


def test_a_fake_bridge_has_a_mac_of_its_tag() -> None:
    """`add-br br0.7 br0 7`: an internal access port whose MAC is the lowest of its VLAN's devices."""
    fake = port(interface("br0.7", type="internal"), tag=7, fake_bridge=True)
    bridge = Bridge("br0", fake, port(interface("a"), tag=7), port(interface("b"), tag=8))
    own = ports(wanted(bridge, a=UNIVERSAL, b=LOWER))["br0.7"]
    assert (own.mac, own.vlans) == (UNIVERSAL, Vlans(mode="access", tag=7))


@pytest.mark.parametrize(
    ("columns", "vlans"),
    [
        ({}, ALL_VLANS),
        ({"tag": 7}, Vlans(mode="access", tag=7)),
        ({"tag": 0}, Vlans(mode="access", tag=0)),
        ({"vlan_mode": "access"}, Vlans(mode="access", tag=0)),
        ({"trunks": (20, 10)}, Vlans(trunks=(10, 20))),
        ({"tag": 7, "vlan_mode": "trunk"}, ALL_VLANS),
        ({"tag": 7, "trunks": (10,)}, Vlans(mode="access", tag=7)),
        (
            {"tag": 7, "trunks": (0, 10), "vlan_mode": "native-tagged"},
            Vlans(mode="native-tagged", tag=7, trunks=(7, 10)),
        ),
        ({"tag": 7, "vlan_mode": "native-untagged"}, Vlans(mode="native-untagged", tag=7)),
        ({"vlan_mode": "native-untagged", "trunks": (0,)}, Vlans(mode="native-untagged", trunks=(0,))),
    ],
)
def test_vlans(columns: dict[str, Any], vlans: Vlans) -> None:
    """tag, trunks and vlan_mode together, as ovs-vswitchd.conf.db(5) has them."""
    found = wanted(Bridge("br0", port(interface("a"), **columns)), a=LOCAL)
    assert ports(found)["a"].vlans == vlans


def test_the_settings_of_a_bridge() -> None:
    """Ageing and size of the MAC table are kept within Open vSwitch's bounds; what is no number is the default."""
    config = {"mac-aging-time": "1", "mac-table-size": "4", "forward-bpdu": "true"}
    (bridge,) = wanted(Bridge("br0", other_config=config)).state.bridges
    assert bridge == model.Bridge(name="br0", ageing=15, maxaddress=10, forward_bpdu=True)
    (bridge,) = wanted(Bridge("br0", other_config={"mac-aging-time": "banana"})).state.bridges
    assert bridge.ageing == 300
    (bridge,) = wanted(
        Bridge("br0", other_config={"mac-aging-time": "9" * 5000, "mac-table-size": "0" * 5000})
    ).state.bridges
    assert (bridge.ageing, bridge.maxaddress) == (3600, 8192)


def test_tunnels_that_are_alike() -> None:
    """Of two with the same key, remote, local and port the one that was there stays; the other is told so."""
    found = wanted(Bridge("br0", vxlan("vx0", key="7")), Bridge("br1", vxlan("vx1", 3, key="7")))
    assert [tunnel.name for tunnel in found.state.tunnels] == ["vx1"]
    assert found.errors == {"vx0": "could not add network device vx0 to ofproto (File exists)"}


def test_tunnels_that_differ() -> None:
    """Another key, remote, local address or UDP port is another tunnel; another key to send with is not."""
    tunnels = [
        vxlan("a", key="7"),
        vxlan("b", key="8"),
        vxlan("c", key="7", local_ip="192.0.2.1"),
        vxlan("d", key="7", dst_port="8472"),
        vxlan("e", key="7", remote_ip="192.0.2.3"),
        vxlan("f", key="flow"),
        vxlan("g", key="7", remote_ip="flow"),
        vxlan("h", in_key="7", out_key="9"),
    ]
    assert list(wanted(Bridge("br0", *tunnels)).errors) == ["h"]


@pytest.mark.parametrize(
    ("row", "columns", "error"),
    [
        (interface("e", type="gre"), {}, "vxnet does not do interfaces of type gre"),
        (
            interface("e", type="foo"),
            {},
            "could not open network device e (Address family not supported by protocol)",
        ),
        (interface("e", type="internal"), {"vlan_mode": "dot1q-tunnel"}, "vxnet does not do vlan_mode dot1q-tunnel"),
    ],
)
def test_what_is_not_done_is_an_error(row: Any, columns: dict[str, Any], error: str) -> None:
    """An Interface that asks for what vxnet does not do gets an error that says so, and nothing is made of it."""
    found = wanted(Bridge("br0", port(row, **columns)))
    assert found.errors == {"e": error}
    assert set(ports(found)) == {"br0"}


def test_bonds_are_an_error_of_each_interface() -> None:
    """A port with two interfaces is a bond."""
    found = wanted(Bridge("br0", port(interface("a"), interface("b"), name="bond0")), a=LOCAL, b=LOCAL)
    text = "vxnet does not do bonds: port bond0 has 2 interfaces"
    assert found.errors == {"a": text, "b": text}


def test_what_is_passed_over_is_said() -> None:
    """Columns that a bridge can do without are noted for the log, with the bridge's or port's name."""
    bridge = Bridge(
        "br0",
        port(interface("a", undone=("BFD",)), tag=7, trunks=(8,), undone=("QoS",)),
        fail_mode="secure",
        undone=("mirrors",),
    )
    assert wanted(bridge, a=LOCAL).notes == (
        "bridge br0: vxnet does not do mirrors",
        "bridge br0: fail_mode=secure is taken as standalone: vxnet has no OpenFlow, and learns",
        "port a: vxnet does not do QoS",
        "port a: ignoring trunks in favor of implicit vlan",
        "interface a: vxnet does not do BFD",
    )


@pytest.mark.parametrize(
    ("bridge", "note"),
    [
        (Bridge("bad/name"), 'ignoring bridge with invalid name "bad/name"'),
        (
            Bridge("br0", datapath_type="dummy"),
            "failed to create bridge br0: vxnet does not do datapath_type dummy",
        ),
        (Bridge("b" * 64), f"failed to create bridge {'b' * 64}: its name has more than 63 bytes"),
    ],
)
def test_bridges_that_cannot_be(bridge: Bridge, note: str) -> None:
    """They are left out with all that is in them, and the log says so."""
    found = wanted(bridge)
    assert found == Wanted(notes=(note,))


def test_a_name_too_long_for_a_device() -> None:
    """A bridge's name may be longer than a device's: its own port cannot be, the bridge can."""
    found = wanted(Bridge("a-very-long-bridge"))
    assert len(found.state.bridges) == 1
    assert list(found.errors.values()) == ["could not open network device a-very-long-bridge (File name too long)"]


def test_a_name_too_long_for_a_tunnel() -> None:
    """A tunnel has no device, but its name has an end, too."""
    found = wanted(Bridge("br0", vxlan("t" * 63, key="1"), vxlan("t" * 64, key="2")))
    assert [tunnel.name for tunnel in found.state.tunnels] == ["t" * 63]
    assert found.errors == {"t" * 64: f"could not open network device {'t' * 64} (File name too long)"}
