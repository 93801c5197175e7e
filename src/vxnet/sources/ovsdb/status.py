# SPDX-License-Identifier: Apache-2.0
"""What is written back: the columns of each row that say how things are.

A column's value is a string, a number, a mapping, a tuple (a set), or None where the database has the empty set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from vxnet import __version__
from vxnet.sources.ovsdb import macs
from vxnet.sources.ovsdb.bridges import DATAPATH_TYPES
from vxnet.sources.ovsdb.desired import IFACE_TYPES
from vxnet.sources.ovsdb.ofports import FAILED

if TYPE_CHECKING:
    from vxnet.sources.ovsdb.links import Egress, Link
    from vxnet.sources.ovsdb.rows import BridgeRow, Database, InterfaceRow

Column = str | int | tuple[str, ...] | Mapping[str, str] | Mapping[str, int] | None
Columns = dict[str, Column]

OVS_VERSION = "3.1.0"
"""The Open vSwitch whose ways these are. Open vSwitch's own start script writes its version; that one stays."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What a device counts beside packets and bytes, as seen from the switch: rx is what came in at the port."""

    rx_dropped: int = 0
    rx_errors: int = 0
    rx_frame_err: int = 0
    rx_over_err: int = 0
    rx_crc_err: int = 0
    rx_missed_errors: int = 0
    rx_multicast_packets: int = 0
    tx_dropped: int = 0
    tx_errors: int = 0
    collisions: int = 0


class Frames(msgspec.Struct, frozen=True):
    """Packets and bytes into the bridge (rx) and out of it (tx) at a port."""

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0


def of_switch(database: Database, db_version: str) -> Columns:
    """Return what the Open_vSwitch row says of a switch that runs; cur_cfg not among it."""
    return {
        "ovs_version": database.ovs_version or OVS_VERSION,
        "db_version": database.db_version or db_version,
        "iface_types": IFACE_TYPES,
        "datapath_types": DATAPATH_TYPES,
    }


def of_bridge(row: BridgeRow, mac: str) -> Columns:
    """Return the columns of a bridge that has this MAC."""
    return {
        "datapath_id": macs.datapath_id(row.other_config.get("datapath-id"), mac),
        "datapath_version": f"vxnet {__version__}",
    }


def of_failed(error: str | None) -> Columns:
    """Return the columns of an Interface that cannot be; all that could be said of it is taken back."""
    return {
        "ofport": FAILED,
        "error": error,
        "admin_state": None,
        "link_state": None,
        "link_resets": None,
        "link_speed": None,
        "duplex": None,
        "mtu": None,
        "mac_in_use": None,
        "ifindex": None,
        "status": {},
        "statistics": {},
    }


def of_device(ofport: int, link: Link | None) -> Columns:
    """Return the columns of a working port with its device; None for one that has just gone."""
    return {
        "ofport": ofport,
        "error": None,
        "admin_state": "up" if link and link.up else "down",
        "link_state": "up" if link and link.carrier else "down",
        "link_resets": link.resets if link else None,
        "link_speed": link.speed if link else None,
        "duplex": link.duplex if link else None,
        "mtu": link.mtu if link else None,
        "mac_in_use": link.mac if link else None,
        "ifindex": link.index if link else None,
        "status": dict(link.driver) if link else {},
    }


def of_tunnel(row: InterfaceRow, ofport: int, egress: Egress | None) -> Columns:
    """Return the columns of a working tunnel; ``egress`` is None without a route, or with remote_ip=flow."""
    leads = (
        {
            "tunnel_egress_iface": egress.device,
            "tunnel_egress_iface_carrier": "up" if egress.carrier else "down",
        }
        if egress
        else {}
    )
    return {
        "ofport": ofport,
        "error": None,
        "admin_state": "up",
        "link_state": "up",
        "link_resets": 0,
        "link_speed": None,
        "duplex": None,
        "mtu": None,
        "mac_in_use": macs.made_of(row.uuid),
        "ifindex": 0,
        "status": leads,
    }


def statistics(frames: Frames, counters: Counters | None = None) -> dict[str, int]:
    """Return the statistics of a port, or, without a device's counters, of a tunnel."""
    counted = dict(msgspec.structs.asdict(frames))
    if counters:
        counted |= msgspec.structs.asdict(counters)
    return counted


def turned(counters: Counters) -> Counters:
    """Return the counters of an internal port: what its device sends is what the switch receives."""
    return msgspec.structs.replace(
        counters,
        rx_dropped=counters.tx_dropped,
        rx_errors=counters.tx_errors,
        tx_dropped=counters.rx_dropped,
        tx_errors=counters.rx_errors,
    )
