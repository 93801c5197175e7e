# SPDX-License-Identifier: Apache-2.0
"""sources/ovsdb: what is written back to the rows, and OpenFlow port numbers."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ovsrows import REMOTE, Bridge, database, interface, links, uuid, vxlan
from vxnet.sources.ovsdb import results, status
from vxnet.sources.ovsdb.desired import desired
from vxnet.sources.ovsdb.links import Egress
from vxnet.sources.ovsdb.ofports import Numbers
from vxnet.sources.ovsdb.undone import undone

if TYPE_CHECKING:
    from vxnet.model import IPAddress

MAC = "52:54:00:00:00:07"
EGRESS: dict[IPAddress, Egress] = {IPv4Address(REMOTE): Egress("br-ex", carrier=True)}


def written(bridge: Bridge, failures: dict[str, str] | None = None, **devices: str | None) -> dict[str, Any]:
    """The columns of each Interface, by name."""
    data, present = database(bridge), links(**devices)
    wanted = desired(data, present)
    rows = results.results(wanted, results.errors(wanted, failures or {}), Numbers(), present, EGRESS)
    names = {row.uuid: row.name for row in data.interfaces.values()}
    return {names[row]: columns for table, row, columns in rows if table == "Interface"}


def test_a_device_that_works() -> None:
    """What the device says, a number, and no error."""
    columns = written(Bridge("br0", interface("eth0")), eth0=MAC, br0=MAC)["eth0"]
    assert columns["ofport"] == 1
    assert columns["error"] is None
    assert (columns["admin_state"], columns["link_state"]) == ("up", "up")
    assert (columns["mac_in_use"], columns["mtu"], columns["ifindex"]) == (MAC, 1500, 2)


def test_a_tunnel_that_works() -> None:
    """It has no device: no MTU, ifindex 0; it says where its packets leave."""
    columns = written(Bridge("br0", vxlan("vx0")))["vx0"]
    assert (columns["ofport"], columns["ifindex"], columns["mtu"]) == (1, 0, None)
    assert columns["status"] == {"tunnel_egress_iface": "br-ex", "tunnel_egress_iface_carrier": "up"}


def test_a_tunnel_that_leads_nowhere_in_particular() -> None:
    """With remote_ip=flow, and without a route, there is no egress to tell."""
    for remote in ("flow", "192.0.2.77"):
        assert written(Bridge("br0", vxlan("vx0", remote_ip=remote)))["vx0"]["status"] == {}


def test_an_interface_that_cannot_be() -> None:
    """Number -1, the error, and nothing else."""
    columns = written(Bridge("br0", vxlan("vx0", remote_ip="")))["vx0"]
    assert columns.pop("ofport") == -1
    assert columns.pop("error") == "vx0: vxlan type requires valid 'remote_ip' argument"
    assert set(map(str, columns.values())) == {"None", "{}"}


def test_what_the_datapath_could_not_do() -> None:
    """Its words become the row's error, on that row alone."""
    columns = written(Bridge("br0", interface("eth0")), {"eth0": "device eth0 is busy"}, eth0=MAC)
    assert columns["eth0"]["error"] == "could not add network device eth0 to ofproto (device eth0 is busy)"
    assert columns["br0"]["error"] is None


def test_statistics_are_seen_from_the_switch() -> None:
    """A tunnel has four; a device has them all, an internal one's errors turned round."""
    wanted = desired(database(Bridge("br0", vxlan("vx0"))), {})
    counters = {"br0": status.Counters(rx_errors=1, tx_dropped=2)}
    frames = {"vx0": status.Frames(1, 2, 3, 4)}
    found = {row: columns["statistics"] for _, row, columns in results.statistics(wanted, {}, frames, counters)}
    assert found[uuid("Interface", "vx0")] == {"rx_packets": 1, "rx_bytes": 2, "tx_packets": 3, "tx_bytes": 4}
    own: Any = found[uuid("Interface", "br0")]
    assert (own["tx_errors"], own["rx_dropped"], own["rx_errors"], own["rx_packets"]) == (1, 2, 0, 0)
    assert len(own) == 14


def test_the_switch_itself() -> None:
    """A version that is there stays; otherwise it is that of the Open vSwitch whose ways these are."""
    assert status.of_switch(database(), "8.3.1")["ovs_version"] == "3.1.0"
    assert status.of_switch(database(ovs_version="2.17.9"), "8.3.1")["ovs_version"] == "2.17.9"


# --- numbers --------------------------------------------------------------------------------------------------------


def numbers(*rows: Any) -> dict[str, int]:
    """The numbers of rows in a bridge that is served for the first time."""
    return Numbers().of_bridge("br0", rows)


def test_numbers_go_upwards() -> None:
    """The local port is 65534; a number that became free is not given away again at once."""
    given = Numbers()
    assert given.of_bridge("br0", [interface("br0"), interface("a"), interface("b")]) == {"br0": 65534, "a": 1, "b": 2}
    assert given.of_bridge("br0", [interface("a", ofport=1), interface("c")]) == {"br0": 65534, "a": 1, "c": 3}


def test_numbers_outlive_the_daemon() -> None:
    """What the database has is kept; others take what is free."""
    assert numbers(interface("a"), interface("b", ofport=1)) == {"br0": 65534, "a": 2, "b": 1}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([interface("a", ofport_request=9)], {"a": 9}),
        ([interface("a", ofport=1, ofport_request=9)], {"a": 9}),
        ([interface("a", ofport_request=1), interface("b", ofport=1)], {"a": 1, "b": 2}),
        ([interface("a", ofport_request=9), interface("b", ofport=9, ofport_request=9)], {"a": 1, "b": 9}),
        ([interface("a", ofport_request=9), interface("b", ofport_request=9)], {"a": 9, "b": 1}),
        ([interface("a", ofport=9), interface("b", ofport=9)], {"a": 9, "b": 1}),
        ([interface("a", ofport=-1)], {"a": 1}),
    ],
)
def test_requests(rows: list[Any], expected: dict[str, int]) -> None:
    """Who asks gets it, unless one that has it asks for it too; who had it gets another."""
    assert numbers(*rows) == {"br0": 65534, **expected}


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        ("Bridge", {"controller": ["row"], "stp_enable": False, "mirrors": []}, ("OpenFlow controllers",)),
        ("Bridge", {"rstp_enable": True}, ("RSTP",)),
        ("Port", {"qos": ["row"], "lacp": ["off"], "other_config": {}}, ("QoS",)),
        ("Port", {"other_config": {"priority-tags": "never"}}, ()),
        ("Port", {"other_config": {"priority-tags": "always"}}, ("priority-tags",)),
        ("Interface", {"ingress_policing_rate": 0, "bfd": {"enable": "true"}, "lldp": {}}, ("BFD",)),
    ],
)
def test_what_a_row_asks_for_in_vain(table: str, columns: dict[str, Any], words: tuple[str, ...]) -> None:
    """Only what is set to something else than its default."""
    assert undone(table, columns) == words
