# SPDX-License-Identifier: Apache-2.0
"""Networks: made with a VNI each, changed, deleted when no port is in them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vxnet.cluster.commands import access, allocate
from vxnet.cluster.commands.act import fields
from vxnet.cluster.commands.draft import Draft
from vxnet.cluster.commands.errors import (
    invalid_input,
    mtu_too_small_for_ipv6,
    network_in_use,
    shared_by_others,
)
from vxnet.cluster.keys import addresses_of, macs_of
from vxnet.cluster.records import Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Decision

LEAST_MTU: Final = 68
"""Bytes: what IPv4 asks of a link (RFC 791 section 3.2)."""

LEAST_MTU_IPV6: Final = 1280
"""Bytes: what IPv6 asks of a link (RFC 8200 section 5)."""

_PLAIN = ("name", "description", "admin_state_up", "shared", "router:external", "port_security_enabled")


def create(replica: Replica, act: Act, bodies: Sequence[dict[str, Any]]) -> Decision[list[Network]]:
    """Make networks, all or none."""
    draft = Draft(replica, act)
    return draft.decision([_created(draft, values) for values in bodies], len(bodies))


def _created(draft: Draft, values: dict[str, Any]) -> Network:
    act = draft.act
    project = access.project_for_new(act.caller, values, "create_network")
    draft.make("network", project)
    _check_provider(values)
    network = Network(
        id=act.new_id(),
        project_id=project,
        vni=allocate.vni(draft, values.get("provider:segmentation_id")),
        mtu=_mtu(act, values.get("mtu") or act.mtu),
        revision_number=1,
        created_at=act.now,
        updated_at=act.now,
        **fields(values, *_PLAIN),
    )
    draft.put(network)
    return network


def _check_provider(values: dict[str, Any]) -> None:
    """Refuse what no VXLAN network can be."""
    if values.get("provider:network_type", "vxlan") != "vxlan":
        raise invalid_input(f"provider:network_type {values['provider:network_type']!r}: networks are vxlan here")
    if values.get("provider:physical_network") is not None:
        raise invalid_input("provider:physical_network: a vxlan network has none")


def _mtu(act: Act, mtu: int) -> int:
    if not LEAST_MTU <= mtu <= act.mtu:
        raise invalid_input(f"mtu {mtu}: it is {LEAST_MTU} to {act.mtu}, for which the underlay has room")
    return mtu


def update(replica: Replica, act: Act, name: str, values: dict[str, Any]) -> Decision[Network]:
    """Change a network."""
    old = access.network(replica, act.caller, name)
    access.to_change(act.caller, old, "update_network")
    act.expect(old)
    changes = fields(values, *_PLAIN)
    draft = Draft(replica, act)
    if "mtu" in values and values["mtu"] != old.mtu:
        changes["mtu"] = _mtu(act, values["mtu"] or act.mtu)
        if changes["mtu"] < LEAST_MTU_IPV6 and any(subnet.ip_version == 6 for subnet in draft.subnets_of(name)):
            raise mtu_too_small_for_ipv6(name, LEAST_MTU_IPV6)
    if old.shared and not changes.get("shared", True):
        others = (port for port in replica.ports.where("network_id", name) if port.project_id != old.project_id)
        if any(others):
            raise shared_by_others(name)
    return draft.decision(draft.change(old, **changes))


def delete(replica: Replica, act: Act, name: str) -> Decision[None]:
    """Delete a network with its subnets, if it has no ports."""
    old = access.network(replica, act.caller, name)
    access.to_change(act.caller, old, "delete_network")
    act.expect(old)
    if replica.ports.count("network_id", name):
        raise network_in_use(name)
    draft = Draft(replica, act)
    draft.delete(old)
    draft.need_empty(macs_of(name))
    for subnet in replica.subnets.where("network_id", name):  # a new one changes the network: see subnets.py
        draft.delete(subnet)
        draft.need_empty(addresses_of(subnet.id))
    return draft.decision(None)
