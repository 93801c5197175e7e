# SPDX-License-Identifier: Apache-2.0
"""A Bridge row with its ports: the model's bridge, and the MAC and MTU that its internal ports are to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from vxnet.model import AGEING, Bridge
from vxnet.sources.ovsdb import macs, vlans
from vxnet.sources.ovsdb.links import Link
from vxnet.sources.ovsdb.numbers import setting
from vxnet.sources.ovsdb.rows import BridgeRow, InterfaceRow, PortRow, is_internal
from vxnet.sources.values import SEGMENT_NAME_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vxnet.sources.ovsdb.rows import Database

MAC_TABLE_SIZE = 8192
"""MACs that a bridge learns unless other_config:mac-table-size says otherwise."""

MTU = 1500
"""The MTU of internal ports in a bridge without other ports, bytes."""

DATAPATH_TYPES = ("netdev", "system")
"""The values of datapath_type; one switch serves both."""


class Whole(msgspec.Struct, frozen=True):
    """A bridge with its ports and their interfaces, on a host with these devices (by name)."""

    row: BridgeRow
    ports: tuple[tuple[PortRow, tuple[InterfaceRow, ...]], ...]
    links: Mapping[str, Link]

    @classmethod
    def of(cls, database: Database, row: BridgeRow, links: Mapping[str, Link]) -> Whole:
        """Look up what belongs to a bridge."""
        ports = ((port, tuple(database.interfaces_of(port))) for port in database.ports_of(row))
        return cls(row, tuple(ports), links)

    @property
    def interfaces(self) -> tuple[InterfaceRow, ...]:
        """All of its interfaces."""
        return tuple(interface for _, interfaces in self.ports for interface in interfaces)

    def bridge(self) -> Bridge:
        """Return the bridge itself."""
        return Bridge(
            name=self.row.name,
            ageing=_bounded(self.row, "mac-aging-time", AGEING, 15, 3600),
            maxaddress=_bounded(self.row, "mac-table-size", MAC_TABLE_SIZE, 10, 1_000_000),
            forward_bpdu=self.row.other_config.get("forward-bpdu") == "true",
        )

    def fault(self) -> str | None:
        """Return why there cannot be such a bridge; None if there can."""
        if "/" in self.row.name or "\\" in self.row.name:
            return f'ignoring bridge with invalid name "{self.row.name}"'
        if len(self.row.name.encode()) > SEGMENT_NAME_MAX:
            return f"failed to create bridge {self.row.name}: its name has more than {SEGMENT_NAME_MAX} bytes"
        if self.row.datapath_type not in {"", *DATAPATH_TYPES}:
            return f"failed to create bridge {self.row.name}: vxnet does not do datapath_type {self.row.datapath_type}"
        return None

    def notes(self) -> Iterator[str]:
        """Yield what the bridge and its ports ask for in vain, as lines for the log."""
        for what in self.row.undone:
            yield f"bridge {self.row.name}: vxnet does not do {what}"
        if self.row.fail_mode == "secure":
            yield f"bridge {self.row.name}: fail_mode=secure is taken as standalone: vxnet has no OpenFlow, and learns"
        for port, interfaces in self.ports:
            yield from (f"port {port.name}: vxnet does not do {what}" for what in port.undone)
            if ignored := vlans.ignored(port):
                yield ignored
            for row in interfaces:
                yield from (f"interface {row.name}: vxnet does not do {what}" for what in row.undone)

    def mtu(self) -> int:
        """Return the MTU of internal ports: the least of the other devices in the bridge."""
        rows = (row for row in self.interfaces if not is_internal(row, self.row))
        return min((self.links[row.name].mtu for row in rows if row.name in self.links), default=MTU)

    def mac(self) -> str:
        """Return the MAC of the bridge's own port."""
        others = self._device_macs(interfaces for _, interfaces in self.ports)
        return macs.of_bridge(self.row.uuid, self.row.other_config.get("hwaddr"), others)

    def mac_of(self, port: PortRow, row: InterfaceRow) -> str | None:
        """Return the MAC that an internal port is to have; None: whatever it has."""
        if row.name == self.row.name:
            return self.mac()
        if mac := macs.written(row.mac):
            return mac
        if not port.fake_bridge:
            return None
        near = (interfaces for other, interfaces in self.ports if port.tag is None or other.tag == port.tag)
        return macs.lowest(self._device_macs(near)) or macs.made_of(self.row.uuid)

    def _device_macs(self, ports: Iterable[tuple[InterfaceRow, ...]]) -> Iterator[str | None]:
        """Yield the MACs of the devices of ports, but for the bridge's own."""
        for interfaces in ports:
            for row in interfaces:
                if is_internal(row, self.row):
                    yield macs.written(row.mac) if row.name != self.row.name else None
                elif link := self.links.get(row.name):
                    yield link.mac


def _bounded(row: BridgeRow, key: str, default: int, least: int, most: int) -> int:
    """Return a number of other_config; Open vSwitch puts a value that is out of bounds at the next one."""
    return max(least, min(setting(row.other_config.get(key, "")) or default, most))
