# SPDX-License-Identifier: Apache-2.0
"""From rows to the desired state: bridges, tunnels, ports, and an error for each Interface that cannot be.

    BridgeRow            Bridge
      PortRow            Vlans of its interfaces; several interfaces are a bond, which vxnet does not do
        InterfaceRow     its own device, or type internal     Port(internal)
                         type empty or system                 Port, if the device is there
                         type vxlan                           Tunnel, unless it equals another one
                         any other                            an error

Devices that are missing are an error until they appear. What a bridge or port asks for beyond that is a note for the
log: nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from vxnet.model import HostState, Port, Tunnel
from vxnet.sources.ovsdb import vlans, vxlan
from vxnet.sources.ovsdb.bridges import Whole
from vxnet.sources.ovsdb.rows import BridgeRow, InterfaceRow, is_internal
from vxnet.sources.values import DEVICE_NAME_MAX, SEGMENT_NAME_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import Bridge, Vlans
    from vxnet.sources.ovsdb.links import Link
    from vxnet.sources.ovsdb.rows import Database, PortRow

IFACE_TYPES = ("internal", "system", "vxlan")
"""The types of interfaces that vxnet does."""

_UNDONE_TYPES = frozenset(
    ("afxdp", "afxdp-nonpmd", "bareudp", "erspan", "geneve", "gre", "gtpu", "ip6erspan", "ip6gre", "lisp", "patch")
) | {"srv6", "stt", "tap"}
"""Types that Open vSwitch has besides."""


class Planned(msgspec.Struct, frozen=True):
    """A bridge that there can be: its row, its interfaces, the MAC of its own port."""

    row: BridgeRow
    interfaces: tuple[InterfaceRow, ...]
    mac: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows come to. ``errors`` are by the interface's name, ``notes`` are lines for the log."""

    state: HostState = HostState()
    bridges: tuple[Planned, ...] = ()
    errors: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


class _RefusedError(Exception):
    """The Interface cannot be; the text is its error."""


def desired(database: Database, links: Mapping[str, Link]) -> Wanted:
    """Return what the rows come to on a host with these devices (by name)."""
    collected = _Collected()
    for row in sorted(database.bridges, key=lambda row: row.name):
        collected.bridge(Whole.of(database, row, links))
    return collected.wanted()


class _Collected:
    """What has been read so far, bridge by bridge."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._bridges: list[Bridge] = []
        self._ports: list[Port] = []
        self._tunnels: list[tuple[InterfaceRow, Tunnel]] = []
        self._errors: dict[str, str] = {}
        self._notes: list[str] = []

    def wanted(self) -> Wanted:
        """Return all of it; of tunnels that are alike, only one."""
        tunnels = tuple(sorted(self._distinct_tunnels(), key=lambda tunnel: tunnel.name))
        return Wanted(
            state=HostState(bridges=tuple(self._bridges), tunnels=tunnels, ports=tuple(self._ports)),
            bridges=tuple(self._planned),
            errors=self._errors,
            notes=tuple(self._notes),
        )

    def bridge(self, whole: Whole) -> None:
        """Add a bridge with all that is in it."""
        if fault := whole.fault():
            self._notes.append(fault)
            return
        self._notes += whole.notes()
        self._planned.append(Planned(whole.row, whole.interfaces, whole.mac()))
        self._bridges.append(whole.bridge())
        mtu = whole.mtu()
        for port, interfaces in whole.ports:
            for row in interfaces:
                try:
                    member = _member(port, interfaces)
                    if is_internal(row, whole.row):
                        self._ports.append(_internal(whole, port, row, member, mtu))
                    else:
                        self._other(whole, row, member)
                except _RefusedError as error:
                    self._errors[row.name] = str(error)

    def _other(self, whole: Whole, row: InterfaceRow, member: Vlans) -> None:
        if row.type in {"", "system"}:
            if row.name not in whole.links:
                raise _RefusedError(f"could not open network device {row.name} (No such device)")
            self._ports.append(Port(device=row.name, segment=whole.row.name, vlans=member, mtu=row.mtu_request))
        elif row.type == "vxlan":
            if len(row.name.encode()) > SEGMENT_NAME_MAX:
                raise _RefusedError(f"could not open network device {row.name} (File name too long)")
            read = vxlan.tunnel(row, whole.row.name, member)
            if read.tunnel is None:
                raise _RefusedError(read.error)
            self._notes += read.notes
            self._tunnels.append((row, read.tunnel))
        elif row.type in _UNDONE_TYPES:
            raise _RefusedError(f"vxnet does not do interfaces of type {row.type}")
        else:
            raise _RefusedError(f"could not open network device {row.name} (Address family not supported by protocol)")

    def _distinct_tunnels(self) -> Iterator[Tunnel]:
        """Yield the tunnels; of several that would take the same packets, the one that has been there longer."""
        taken = set()
        for row, tunnel in sorted(self._tunnels, key=lambda both: (both[0].ofport or -1) < 0):
            key = (tunnel.vni, tunnel.remote, tunnel.local, tunnel.dstport)
            if key in taken:
                self._errors[row.name] = f"could not add network device {row.name} to ofproto (File exists)"
            else:
                taken.add(key)
                yield tunnel


def _member(port: PortRow, interfaces: tuple[InterfaceRow, ...]) -> Vlans:
    """Return the VLANs of a port's one interface."""
    if len(interfaces) > 1:
        raise _RefusedError(f"vxnet does not do bonds: port {port.name} has {len(interfaces)} interfaces")
    member = vlans.vlans(port)
    if member is None:
        raise _RefusedError(f"vxnet does not do vlan_mode {port.vlan_mode}")
    return member


def _internal(whole: Whole, port: PortRow, row: InterfaceRow, member: Vlans, mtu: int) -> Port:
    if len(row.name.encode()) > DEVICE_NAME_MAX:
        raise _RefusedError(f"could not open network device {row.name} (File name too long)")
    return Port(
        device=row.name,
        segment=whole.row.name,
        vlans=member,
        internal=True,
        mac=whole.mac_of(port, row),
        mtu=row.mtu_request or mtu,
    )
