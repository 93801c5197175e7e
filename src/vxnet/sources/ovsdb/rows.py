# SPDX-License-Identifier: Apache-2.0
"""The rows of the Open vSwitch database that vxnet reads, as frozen values; columns keep their names.

    Database -- bridges --> BridgeRow -- ports --> PortRow -- interfaces --> InterfaceRow

Rows name each other by UUID, as in the database, so that a row that did not change is the same value as before.
``undone`` of a row: its columns, in words, that ask for something vxnet does not do.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec

LOCAL = 65534
"""The OpenFlow port number of a bridge's local port (OFPP_LOCAL), the device that has the bridge's name."""


class InterfaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A device or a tunnel. ``ofport`` is what was written there last, by whoever served the database then."""

    uuid: UUID
    name: str
    type: str = ""
    options: Mapping[str, str] = {}
    mac: str | None = None
    mtu_request: int | None = None
    ofport: int | None = None
    ofport_request: int | None = None
    undone: tuple[str, ...] = ()


class PortRow(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a bridge: one Interface, or several that are a bond. A fake bridge is one too."""

    uuid: UUID
    name: str
    interfaces: tuple[UUID, ...] = ()
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    vlan_mode: str | None = None
    fake_bridge: bool = False
    undone: tuple[str, ...] = ()


class BridgeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bridge."""

    uuid: UUID
    name: str
    datapath_type: str = ""
    fail_mode: str | None = None
    other_config: Mapping[str, str] = {}
    ports: tuple[UUID, ...] = ()
    undone: tuple[str, ...] = ()


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment. ``uuid`` is that of the one Open_vSwitch row; None while nobody has made it."""

    uuid: UUID | None = None
    next_cfg: int = 0
    ovs_version: str | None = None
    db_version: str | None = None
    other_config: Mapping[str, str] = {}
    bridges: tuple[BridgeRow, ...] = ()
    ports: Mapping[UUID, PortRow] = {}
    interfaces: Mapping[UUID, InterfaceRow] = {}

    def ports_of(self, bridge: BridgeRow) -> list[PortRow]:
        """Return a bridge's ports by name; the database keeps them in no order."""
        return sorted((self.ports[uuid] for uuid in bridge.ports if uuid in self.ports), key=lambda port: port.name)

    def interfaces_of(self, port: PortRow) -> list[InterfaceRow]:
        """Return a port's interfaces by name."""
        known = (self.interfaces[uuid] for uuid in port.interfaces if uuid in self.interfaces)
        return sorted(known, key=lambda interface: interface.name)


def is_internal(interface: InterfaceRow, bridge: BridgeRow) -> bool:
    """Tell whether the switch makes the device: the bridge's own is made whatever its type says."""
    return interface.type == "internal" or interface.name == bridge.name
