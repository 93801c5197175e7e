# SPDX-License-Identifier: Apache-2.0
"""Ports: made in a network with a MAC and addresses, bound to a host, changed, deleted.

A port may be had in a network of one's own or a shared one. In another's network a port is as its owner wants ports to
be: who makes it chooses neither MAC nor address, and turns no protection off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vxnet.cluster.commands import access, addresses, allocate, subnetrules
from vxnet.cluster.commands.act import fields
from vxnet.cluster.commands.draft import Draft
from vxnet.cluster.commands.errors import (
    duplicate_pair,
    not_authorized,
    pairs_need_security,
    port_bound,
    too_many,
)
from vxnet.cluster.records import AddressPair, Port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.cluster.caller import Caller
    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.records import Network
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Decision

MOST_PAIRS: Final = 10
"""How many address pairs a port may have: Neutron's max_allowed_address_pair."""

MOST_ADDRESSES: Final = 32
"""How many fixed addresses a port may have."""

_PLAIN = (
    "name",
    "description",
    "admin_state_up",
    "device_id",
    "device_owner",
    "binding:host_id",
    "binding:vnic_type",
    "binding:profile",
    "port_security_enabled",
)
_OWNERS = ("mac_address", "port_security_enabled", "allowed_address_pairs")
"""What of a port is its network's owner's to say."""


def create(replica: Replica, act: Act, bodies: Sequence[dict[str, Any]]) -> Decision[list[Port]]:
    """Make ports, all or none."""
    draft = Draft(replica, act)
    return draft.decision([_created(draft, values) for values in bodies], len(bodies))


def _created(draft: Draft, values: dict[str, Any]) -> Port:
    act = draft.act
    project = access.project_for_new(act.caller, values, "create_port")
    draft.make("port", project)
    network = access.network(draft.replica, act.caller, values["network_id"])
    if not act.caller.owns(network.project_id) and not network.shared:
        raise not_authorized("create_port")
    _check_foreign(act.caller, network, values, "create_port")
    mac = allocate.mac(draft, network.id, values.get("mac_address"))
    plain = {"port_security_enabled": network.port_security_enabled} | fields(values, *_PLAIN)
    port = Port(
        id=act.new_id(),
        project_id=project,
        network_id=network.id,
        mac_address=mac,
        fixed_ips=addresses.given(draft, network.id, mac, _wishes(values)),
        allowed_address_pairs=_pairs(values.get("allowed_address_pairs", ()), mac),
        revision_number=1,
        created_at=act.now,
        updated_at=act.now,
        **plain,
    )
    _check_pairs(port)
    draft.hold(network)
    draft.put(port)
    return port


def update(replica: Replica, act: Act, name: str, values: dict[str, Any]) -> Decision[Port]:
    """Change a port."""
    old = access.port(replica, act.caller, name)
    access.to_change(act.caller, old, "update_port")
    act.expect(old)
    network = replica.networks.get(old.network_id)
    draft = Draft(replica, act)
    if network:
        _check_foreign(act.caller, network, values, "update_port")
        draft.hold(network)
    changes = fields(values, *_PLAIN)
    mac = allocate.mac(draft, old.network_id, values.get("mac_address", old.mac_address), old.mac_address)
    if mac != old.mac_address:
        if changes.get("binding_host_id", old.binding_host_id):
            raise port_bound(name, old.binding_host_id)
        changes["mac_address"] = mac
    wishes = _wishes(values)
    if wishes is None and mac != old.mac_address:
        wishes = _same(replica, old)
    if wishes is not None:
        changes["fixed_ips"] = addresses.given(draft, old.network_id, mac, wishes, old.fixed_ips)
    if "allowed_address_pairs" in values:
        changes["allowed_address_pairs"] = _pairs(values["allowed_address_pairs"], mac)
    new = draft.change(old, **changes)
    _check_pairs(new)
    if new.binding_host_id != old.binding_host_id:
        _forget_state(draft, name)
    return draft.decision(new)


def delete(replica: Replica, act: Act, name: str) -> Decision[None]:
    """Delete a port, with what its host said of it."""
    old = access.port(replica, act.caller, name)
    access.to_change(act.caller, old, "delete_port")
    act.expect(old)
    draft = Draft(replica, act)
    draft.delete(old)
    _forget_state(draft, name)
    return draft.decision(None)


def _forget_state(draft: Draft, name: str) -> None:
    """Forget what a host said of a port: it says so again if it gets it back."""
    if state := draft.replica.port_states.get(name):
        draft.delete(state)


def _check_foreign(caller: Caller, network: Network, values: dict[str, Any], rule: str) -> None:
    """Refuse what somebody may not say of a port in another's network."""
    if caller.owns(network.project_id):
        return
    for name in _OWNERS:
        if name in values:
            raise not_authorized(f"{rule}:{name}")
    if any(wish.ip_address is not None for wish in _wishes(values) or ()):
        raise not_authorized(f"{rule}:fixed_ips:ip_address")
    if values.get("device_owner", "").startswith("network:"):
        raise not_authorized(f"{rule}:device_owner")


def _wishes(values: dict[str, Any]) -> tuple[addresses.Wish, ...] | None:
    wishes: tuple[addresses.Wish, ...] | None = values.get("fixed_ips")
    if wishes and len(wishes) > MOST_ADDRESSES:
        raise too_many("fixed_ips", MOST_ADDRESSES)
    return wishes


def _same(replica: Replica, port: Port) -> tuple[addresses.Wish, ...]:
    """Return the wish for the addresses that a port has, as far as they do not follow from its MAC."""
    automatic = {
        subnet.id for subnet in replica.subnets.where("network_id", port.network_id) if subnetrules.is_automatic(subnet)
    }
    return tuple(
        addresses.Wish(fixed.subnet_id, None if fixed.subnet_id in automatic else fixed.ip_address)
        for fixed in port.fixed_ips
    )


def _pairs(pairs: Sequence[AddressPair], mac: str) -> tuple[AddressPair, ...]:
    """Return address pairs with the port's MAC where none is said."""
    if len(pairs) > MOST_PAIRS:
        raise too_many("allowed_address_pairs", MOST_PAIRS)
    whole = tuple(AddressPair(pair.ip_address, pair.mac_address or mac) for pair in pairs)
    for number, pair in enumerate(whole):
        if pair in whole[:number]:
            raise duplicate_pair(f"{pair.ip_address} from {pair.mac_address}")
    return whole


def _check_pairs(port: Port) -> None:
    if port.allowed_address_pairs and not port.port_security_enabled:
        raise pairs_need_security()
