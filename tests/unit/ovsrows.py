# SPDX-License-Identifier: Apache-2.0
"""Rows of an Open vSwitch database, written shortly: a tree of bridges, ports and interfaces becomes a Database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from vxnet.sources.ovsdb.links import Link
from vxnet.sources.ovsdb.rows import BridgeRow, Database, InterfaceRow, PortRow

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPACE = UUID(int=1)
REMOTE = "192.0.2.2"


def uuid(table: str, name: str) -> UUID:
    """The UUID that these rows have."""
    return uuid5(_SPACE, f"{table} {name}")


def interface(name: str, **columns: Any) -> InterfaceRow:
    """A row of Interface."""
    return InterfaceRow(uuid=uuid("Interface", name), name=name, **columns)


def vxlan(name: str, ofport: int | None = None, /, **options: str) -> InterfaceRow:
    """A tunnel to REMOTE unless the options say otherwise; `remote_ip=""` leaves it out."""
    given = {key: value for key, value in {"remote_ip": REMOTE, **options}.items() if value}
    return interface(name, type="vxlan", options=given, ofport=ofport)


Port = tuple[dict[str, Any], list[InterfaceRow]]


def port(*interfaces: InterfaceRow, **columns: Any) -> Port:
    """A row of Port, with the name of its first interface."""
    return columns, list(interfaces)


class Bridge:
    """A row of Bridge with its own port, `add-br`, and others."""

    def __init__(self, name: str, *ports: Port | InterfaceRow, **columns: Any) -> None:
        self.name, self.columns = name, columns
        self.ports = [port(interface(name, type="internal")), *(p if isinstance(p, tuple) else port(p) for p in ports)]


def database(*bridges: Bridge, **columns: Any) -> Database:
    """The whole."""
    bridge_rows, ports, interfaces = [], {}, {}
    for bridge in bridges:
        mine = []
        for settings, members in bridge.ports:
            interfaces.update({row.uuid: row for row in members})
            named = {"name": members[0].name, "interfaces": tuple(row.uuid for row in members), **settings}
            row = PortRow(uuid=uuid("Port", named["name"]), **named)
            ports[row.uuid] = row
            mine.append(row.uuid)
        bridge_rows.append(
            BridgeRow(uuid=uuid("Bridge", bridge.name), name=bridge.name, ports=tuple(mine), **bridge.columns)
        )
    return Database(
        uuid=uuid("Open_vSwitch", ""), bridges=tuple(bridge_rows), ports=ports, interfaces=interfaces, **columns
    )


def links(**macs: str | None) -> Mapping[str, Link]:
    """Devices that are up, with these MACs."""
    return {
        name: Link(index=index, name=name, mac=mac, mtu=1500, up=True, carrier=True)
        for index, (name, mac) in enumerate(macs.items(), 2)
    }
