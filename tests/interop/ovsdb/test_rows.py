# SPDX-License-Identifier: Apache-2.0
"""What is written back to the rows: of what works, of what is broken, and of both in one transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ports import REMOTES, Ports, Sent, ports
from tests.support.switches import NATURES

if TYPE_CHECKING:
    from collections.abc import Iterator

REMOTE = f"options:remote_ip={REMOTES['h2']}"
NO_REMOTE = "e1: vxlan type requires valid 'remote_ip' argument"


@pytest.fixture(scope="module")
def built(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Build the host."""
    with ports(tmp_path_factory.mktemp("rows") / "h1", kind, ("t0", "t1")) as made:
        yield made


@pytest.fixture
def host(built: Ports) -> Ports:
    """Return the host with a bridge anew: two TAPs and a tunnel to h2."""
    built.clear()
    tunnel = f"add-port br0 v2 -- set interface v2 type=vxlan {REMOTE} options:key=2"
    built.vsctl(f"add-br br0 -- add-port br0 t0 -- add-port br0 t1 -- {tunnel}")
    built.host.ip("link", "set", "br0", "up")
    return built


def interface(host: Ports, name: str, *columns: str) -> list[Any]:
    """Return some columns of an interface."""
    found = row(host, "interface", name)
    return [found[column] for column in columns]


def becomes(host: Ports, name: str, **columns: object) -> None:
    """Wait until an interface has these columns."""
    wanted = list(columns.values())
    host.lab.wait(lambda: interface(host, name, *columns) == wanted, what=f"{name} to have {columns}")


def row(host: Ports, table: str, name: str) -> dict[str, Any]:
    """Return a row as `ovs-vsctl list` has it, its sets and maps as lists."""
    shown = json.loads(host.vsctl("--format=json", "list", table, name))
    return dict(zip(shown["headings"], shown["data"][0], strict=True))


EMPTY: list[Any] = ["set", []]
NOTHING = ["map", []]


def keys(column: list[Any]) -> set[str]:
    """Return the keys of a map."""
    assert column[0] == "map"
    return {key for key, _ in column[1]}


def test_a_tap(host: Ports) -> None:
    """A device of the kernel: its state is the kernel's."""
    found = row(host, "interface", "t0")
    link = json.loads(host.host.ip("-j", "link", "show", "t0"))[0]
    assert (found["error"], found["admin_state"], found["link_state"]) == (EMPTY, "up", "up")
    assert (found["mac_in_use"], found["mtu"], found["ifindex"]) == (link["address"], link["mtu"], link["ifindex"])
    assert 1 <= found["ofport"] < 65280
    assert found["link_resets"] >= 0
    assert {"rx_packets", "rx_bytes", "rx_dropped", "rx_errors"} <= keys(found["statistics"])
    assert {"tx_packets", "tx_bytes", "tx_dropped", "tx_errors"} <= keys(found["statistics"])
    assert "driver_name" in keys(found["status"])


def test_a_bridge(host: Ports) -> None:
    """A bridge and the device of its name; the datapath's ID is its MAC."""
    found, bridge = row(host, "interface", "br0"), row(host, "bridge", "br0")
    link = json.loads(host.host.ip("-j", "link", "show", "br0"))[0]
    becomes(host, "br0", admin_state="up")
    assert (found["ofport"], found["type"], found["error"]) == (65534, "internal", EMPTY)
    assert (found["mac_in_use"], found["mtu"], found["ifindex"]) == (link["address"], 1500, link["ifindex"])
    assert bridge["datapath_id"] == "0000" + link["address"].replace(":", "")
    assert bridge["datapath_version"] != ""


def test_a_tunnel(host: Ports) -> None:
    """A tunnel has no device: what is only a device's is empty; its way out is told."""
    found = row(host, "interface", "v2")
    assert (found["error"], found["admin_state"], found["link_state"]) == (EMPTY, "up", "up")
    assert (found["ifindex"], found["mtu"], found["link_speed"], found["duplex"]) == (0, EMPTY, EMPTY, EMPTY)
    assert len(found["mac_in_use"]) == len("00:00:00:00:00:00")
    assert keys(found["statistics"]) == {"rx_bytes", "rx_packets", "tx_bytes", "tx_packets"}
    becomes(host, "v2", status=["map", [["tunnel_egress_iface", "br-phy"], ["tunnel_egress_iface_carrier", "up"]]])


def test_the_switch(host: Ports) -> None:
    """What the switch says of itself."""
    found = row(host, "open_vswitch", ".")
    assert found["cur_cfg"] == found["next_cfg"]
    assert {"system", "internal", "vxlan"} <= set(found["iface_types"][1])
    assert "netdev" in str(found["datapath_types"])


def test_statistics_are_kept_fresh(host: Ports) -> None:
    """Packets are counted in the rows soon after they have passed."""
    host.warm(remotes=["h2"])
    before = dict(row(host, "interface", "v2")["statistics"][1])["tx_packets"]
    host.send(*[Sent("t0")] * 10, expecting=20)
    host.lab.wait(
        lambda: dict(row(host, "interface", "v2")["statistics"][1])["tx_packets"] >= before + 10,
        what="ten more packets in the row",
        timeout=15.0,
    )


def test_changes_of_a_device_are_kept_fresh(host: Ports) -> None:
    """State, MTU and MAC of a device that change are changed in its row; a veth's carrier is its link state."""
    host.host.ip("link add veth0 type veth peer name veth1")
    host.host.ip("link set veth0 up")
    host.vsctl("add-port br0 veth0")
    try:
        assert interface(host, "veth0", "admin_state", "link_state", "mtu") == ["up", "down", 1500]
        host.host.ip("link set veth1 up")
        host.host.ip("link set veth0 mtu 1400 address 02:00:00:00:00:aa")
        becomes(host, "veth0", admin_state="up", link_state="up", mtu=1400, mac_in_use="02:00:00:00:00:aa")
    finally:
        host.vsctl("--if-exists del-port veth0")
        host.host.ip("link delete veth0")


BROKEN = {
    "no such device": ("", "could not open network device e1 (No such device)"),
    "unknown type": ("type=banana", "could not open network device e1 (Address family not supported by protocol)"),
    "no remote": ("type=vxlan options:key=5", NO_REMOTE),
    "no address": ("type=vxlan options:remote_ip=banana", f"e1: bad vxlan 'remote_ip'\n{NO_REMOTE}"),
    "a name": ("type=vxlan options:remote_ip=localhost", f"e1: bad vxlan 'remote_ip'\n{NO_REMOTE}"),
    "group": ("type=vxlan options:remote_ip=239.1.1.1", "e1: multicast remote_ip=239.1.1.1 not allowed"),
    "local flow": (
        f"type=vxlan {REMOTE} options:local_ip=flow",
        "e1: vxlan type requires 'remote_ip=flow' with 'local_ip=flow'",
    ),
    "families": (
        f"type=vxlan {REMOTE} options:local_ip=fd00::1",
        "e1: 'remote_ip' and 'local_ip' has to be of the same address family",
    ),
    "same key and remote": (
        f"type=vxlan {REMOTE} options:key=2",
        "could not add network device e1 to ofproto (File exists)",
    ),
    "same in_key and remote": (
        f"type=vxlan {REMOTE} options:in_key=2 options:out_key=9",
        "could not add network device e1 to ofproto (File exists)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rows(host: Ports, name: str) -> None:
    """A row that cannot be has the error, `ovs-vsctl` tells it, and the rest of the transaction is done."""
    settings, error = BROKEN[name]
    done = host.switch.try_vsctl(
        f"add-port br0 e1 {f'-- set interface e1 {settings}' if settings else ''} -- del-port t1"
        " -- add-port br0 int0 -- set interface int0 type=internal"
    )
    assert f"Error detected while setting up 'e1': {error}.  See ovs-vswitchd log" in done.stderr
    found = row(host, "interface", "e1")
    assert (found["error"], found["ofport"]) == (error, -1)
    for column in ("admin_state", "link_state", "mac_in_use", "mtu", "ifindex", "link_resets"):
        assert found[column] == EMPTY, column
    assert (found["statistics"], found["status"]) == (NOTHING, NOTHING)
    for other in ("br0", "t0", "v2", "int0"):
        assert (row(host, "interface", other)["error"], row(host, "interface", other)["ofport"] > 0) == (EMPTY, True)
    assert f'error: "{error}"'.replace("\n", "\\n") in host.vsctl("show")
    host.warm(remotes=["h2"])
    host.vsctl("del-port e1")


@pytest.mark.parametrize("key", ["16777216", "banana", "-1"])
def test_a_key_that_is_no_vni(host: Ports, key: str) -> None:
    """A VNI has 24 bits: another number is an error in the row, unless the switch takes any."""
    done = host.switch.try_vsctl(f"add-port br0 e1 -- set interface e1 type=vxlan {REMOTE} options:key={key}")
    found = row(host, "interface", "e1")
    if NATURES[host.kind].takes_any_key:
        assert (found["error"], done.stderr) == (EMPTY, "")
    else:
        assert found["ofport"] == -1
        assert key in found["error"]
        assert found["error"] in done.stderr


def test_a_broken_row_is_mended(host: Ports) -> None:
    """A row that gets what it lacked, and a device that comes later, work from then on."""
    host.switch.try_vsctl("add-port br0 late -- add-port br0 e1 -- set interface e1 type=vxlan")
    assert row(host, "interface", "late")["ofport"] == -1
    with host.host.tap("late") as late:
        host.taps["late"] = late
        try:
            host.vsctl(f"set interface e1 options:remote_ip={REMOTES['h3']}")
            for name in ("e1", "late"):
                becomes(host, name, error=EMPTY)
                assert row(host, "interface", name)["ofport"] > 0
            host.warm()
            assert host.send(Sent("t0"), expecting=4)[0] == {"t1": "-", "late": "-", "h2": "2 -", "h3": "0 -"}
        finally:
            del host.taps["late"]


def test_ports_that_are_asked_for(host: Ports) -> None:
    """ofport_request is honoured, also later, if the number is free; who has a number keeps it."""
    host.vsctl("set interface t0 ofport_request=77")
    assert row(host, "interface", "t0")["ofport"] == 77
    before = row(host, "interface", "t1")["ofport"]
    host.vsctl("set interface t1 ofport_request=77")
    assert [row(host, "interface", name)["ofport"] for name in ("t0", "t1")] == [77, before]
    host.vsctl("remove interface t0 ofport_request 77")  # the one who still asks for it gets it now
    assert row(host, "interface", "t1")["ofport"] == 77
    host.vsctl("remove interface t1 ofport_request 77")
    assert row(host, "interface", "t1")["ofport"] == 77
    host.vsctl("-- del-port t0 -- add-port br0 t0 -- set interface t0 ofport_request=65279")
    assert row(host, "interface", "t0")["ofport"] == 65279


def test_hwaddr(host: Ports) -> None:
    """other_config:hwaddr is the bridge's MAC in the kernel, in the row, and in the datapath's ID."""
    host.vsctl("set bridge br0 other_config:hwaddr=02:11:22:33:44:55")
    becomes(host, "br0", mac_in_use="02:11:22:33:44:55")
    assert json.loads(host.host.ip("-j", "link", "show", "br0"))[0]["address"] == "02:11:22:33:44:55"
    assert row(host, "bridge", "br0")["datapath_id"] == "0000021122334455"


def test_the_lowest_global_mac_is_the_bridge_s(host: Ports) -> None:
    """Without hwaddr the bridge has the lowest MAC of its ports that is not locally administered."""
    for tap, mac in (("t0", "00:0c:29:00:00:02"), ("t1", "00:0c:29:00:00:01")):
        host.host.ip("link", "set", tap, "address", mac)
    host.vsctl("set bridge br0 external_ids:look=again")
    becomes(host, "br0", mac_in_use="00:0c:29:00:00:01")
    for tap in ("t0", "t1"):
        host.host.ip("link", "set", tap, "address", "02:00:00:00:01:00")


def test_bridge_mtu(host: Ports) -> None:
    """A bridge and its internal ports have the lowest MTU of the other ports."""
    host.vsctl("add-port br0 int0 -- set interface int0 type=internal")
    host.host.ip("link set t0 mtu 1400")
    try:
        for name in ("br0", "int0"):
            becomes(host, name, mtu=1400)
        assert json.loads(host.host.ip("-j", "link", "show", "br0"))[0]["mtu"] == 1400
    finally:
        host.host.ip("link set t0 mtu 1500")


def test_internal_ports_are_devices(host: Ports) -> None:
    """A port of type internal is a device that can have an address and speak; it goes with the port."""
    host.vsctl("add-port br0 int0 -- set interface int0 type=internal 'mac=\"02:00:00:00:00:51\"'")
    host.host.ip("link set int0 up")
    assert json.loads(host.host.ip("-j", "link", "show", "int0"))[0]["address"] == "02:00:00:00:00:51"
    host.vsctl("del-port int0 -- del-br br0")
    names = {link["ifname"] for link in json.loads(host.host.ip("-j", "link"))}
    assert names >= {"t0", "t1", "eth0", "br-phy"}
    assert not names & {"int0", "br0"}
