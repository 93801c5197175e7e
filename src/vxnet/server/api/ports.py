# SPDX-License-Identifier: Apache-2.0
"""Ports: the attributes, and how one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands.ports import AskedIp, AskedPair
from vxnet.cluster.liveness import is_active
from vxnet.server.api.accept import Attribute, resource
from vxnet.server.api.kinds import (
    ADDRESS,
    ADDRESS_OR_PREFIX,
    FLAG,
    ID,
    MAC,
    NAME,
    OBJECT,
    list_of,
    object_of,
    one_of,
    or_none,
)
from vxnet.server.api.standard import STANDARD, TEXT, shown

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller
    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.records import Port
    from vxnet.cluster.replica import Replica

MOST_PAIRS = 10
"""As in Neutron (max_allowed_address_pair)."""

FIXED_IP = object_of(AskedIp, {}, {"subnet_id": ID, "ip_address": ADDRESS})
PAIR = object_of(AskedPair, {"ip_address": ADDRESS_OR_PREFIX}, {"mac_address": MAC})

PORTS = resource(
    "port",
    (
        *STANDARD,
        Attribute(name="network_id", kind=ID, put=False, required=True),
        Attribute(name="admin_state_up", kind=FLAG),
        Attribute(name="mac_address", kind=MAC),
        Attribute(name="fixed_ips", kind=list_of(FIXED_IP, most=16)),
        Attribute(name="device_id", kind=NAME),
        Attribute(name="device_owner", kind=NAME),
        Attribute(name="allowed_address_pairs", kind=list_of(PAIR, most=MOST_PAIRS)),
        Attribute(name="port_security_enabled", kind=FLAG),
        # There are none: a list with one in it would promise what is not done.
        Attribute(name="security_groups", kind=list_of(ID, most=0)),
        Attribute(name="binding:host_id", kind=or_none(NAME), admin=True, admin_sees=True),
        Attribute(name="binding:profile", kind=or_none(OBJECT), admin=True, admin_sees=True),
        Attribute(name="binding:vnic_type", kind=one_of("normal")),
        Attribute(name="binding:vif_type", schema=TEXT, admin_sees=True),
        Attribute(name="binding:vif_details", schema={"type": "object"}, admin_sees=True),
        Attribute(name="status", schema=TEXT),
    ),
)


def port_view(replica: Replica, liveness: Liveness, port: Port, caller: Caller) -> dict[str, Any]:
    """Return a port as this caller sees it."""
    view = shown(port) | {
        "network_id": port.network_id,
        "admin_state_up": port.admin_state_up,
        "status": "ACTIVE" if is_active(replica, liveness, port) else "DOWN",
        "mac_address": port.mac_address,
        "fixed_ips": port.fixed_ips,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "allowed_address_pairs": port.allowed_address_pairs,
        "port_security_enabled": port.port_security_enabled,
        "security_groups": [],
        "binding:vnic_type": port.binding_vnic_type,
    }
    if caller.is_admin:
        view |= _binding(replica, port)
    return view


def _binding(replica: Replica, port: Port) -> dict[str, Any]:
    """Return where a port is, and by which device it is attached there."""
    host = port.binding_host_id
    bound = bool(host) and replica.agents.get(host) is not None
    details = {"port_filter": True, "connectivity": "l2", "device": f"tap{port.id[:11]}"}
    return {
        "binding:host_id": host,
        "binding:profile": port.binding_profile,
        "binding:vif_type": "tap" if bound else "binding_failed" if host else "unbound",
        "binding:vif_details": details if bound else {},
    }
