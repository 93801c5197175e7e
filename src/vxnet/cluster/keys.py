# SPDX-License-Identifier: Apache-2.0
"""Where everything stands in the store.

    meta/schema                        the number of this layout           meta/incarnation    see Replica
    meta/restoring                     while a backup is put back, in place of both
    network/ID  subnet/ID  port/ID  agent/HOST  heartbeat/HOST  port-state/ID
    user/NAME   token/DIGEST  quota/PROJECT  server/ID

Claims make a thing belong to one record alone: a transaction that writes one asks that it is not there yet, so of two
servers that give the same VNI away, one loses and looks again. That a network has no ports is that nobody claims a MAC
in it.

    claim/vni/00005001                 -> the network's id
    claim/subnet/NETWORK/SUBNET        -> the subnet's id
    claim/mac/NETWORK/MAC              -> the port's id
    claim/address/SUBNET/ADDRESS       -> the port's id
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vxnet.cluster.records import Agent, Heartbeat, Network, Port, PortState, Quota, Server, Subnet, Token, User

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = 1
"""Counted up when the layout changes; see migrate.py."""

META_SCHEMA = "meta/schema"
META_INCARNATION = "meta/incarnation"
META_RESTORING = "meta/restoring"

Kept = Network | Subnet | Port | PortState | Agent | Heartbeat | User | Token | Quota | Server
"""Every kind of record."""

KINDS: dict[str, type[Kept]] = {
    "network": Network,
    "subnet": Subnet,
    "port": Port,
    "port-state": PortState,
    "agent": Agent,
    "heartbeat": Heartbeat,
    "user": User,
    "token": Token,
    "quota": Quota,
    "server": Server,
}
"""The first part of a record's key, and what its value is."""

_NAMES = {kind: name for name, kind in KINDS.items()}
_IDS = {
    PortState: "port_id",
    Agent: "host",
    Heartbeat: "host",
    User: "name",
    Token: "digest",
    Quota: "project_id",
}


def id_of(record: Kept) -> str:
    """Return what names a record among those of its kind."""
    return str(getattr(record, _IDS.get(type(record), "id")))


def key(kind: type[Kept], name: str) -> str:
    """Return where the record of that kind and name stands."""
    return f"{_NAMES[kind]}/{name}"


def key_of(record: Kept) -> str:
    """Return where a record stands."""
    return key(type(record), id_of(record))


def value_of(record: Kept) -> bytes:
    """Return what stands there."""
    return msgspec.json.encode(record)


def claims_of(record: Kept) -> Iterator[tuple[str, bytes]]:
    """Yield what must belong to this record alone."""
    match record:
        case Network():
            yield f"claim/vni/{record.vni:08}", record.id.encode()
        case Subnet():
            yield f"{subnets_of(record.network_id)}{record.id}", record.id.encode()
        case Port():
            yield f"{macs_of(record.network_id)}{record.mac_address}", record.id.encode()
            for fixed in record.fixed_ips:
                yield f"{addresses_of(fixed.subnet_id)}{fixed.ip_address}", record.id.encode()
        case _:
            return


def subnets_of(network_id: str) -> str:
    """Return the beginning of the claims of a network's subnets."""
    return f"claim/subnet/{network_id}/"


def macs_of(network_id: str) -> str:
    """Return the beginning of the claims of the MACs, and so of the ports, in a network."""
    return f"claim/mac/{network_id}/"


def addresses_of(subnet_id: str) -> str:
    """Return the beginning of the claims of a subnet's addresses."""
    return f"claim/address/{subnet_id}/"
