# SPDX-License-Identifier: Apache-2.0
"""What a caller sees and may change, and what every change of a resource does to it.

A project sees its own and what is shared, and changes its own. What it may not know of does not exist for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from vxnet.cluster.caller import Caller
from vxnet.cluster.commands.errors import (
    InvalidInput,
    NetworkNotFound,
    NotFound,
    PolicyNotAuthorized,
    PortNotFound,
    RevisionNumberConstraintFailed,
    SubnetNotFound,
)
from vxnet.cluster.records import Network, Port, Record, Subnet

if TYPE_CHECKING:
    from vxnet.cluster.replica import Replica, Table

R = TypeVar("R", Network, Subnet, Port)

_MISSING: dict[type[Record], type[NotFound]] = {
    Network: NetworkNotFound,
    Subnet: SubnetNotFound,
    Port: PortNotFound,
}


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks and when. ``if_match``: the revision_number that the resource must still have; None: any."""

    caller: Caller
    now: str
    if_match: int | None = None


def sees(replica: Replica, caller: Caller, record: Record) -> bool:
    """Tell whether a caller may know of a resource. Ports in a network of theirs are theirs to see."""
    if caller.owns(record.project_id):
        return True
    match record:
        case Network():
            return record.shared
        case Subnet():
            network = replica.networks.get(record.network_id)
            return network is not None and (network.shared or caller.owns(network.project_id))
        case Port():
            network = replica.networks.get(record.network_id)
            return network is not None and caller.owns(network.project_id)
        case _:
            return False


def found(replica: Replica, context: Context, kind: type[R], name: str) -> R:
    """Return a resource that the caller may know of. The error of its kind if there is none."""
    tables: dict[type[Record], Table[Any]] = {
        Network: replica.networks,
        Subnet: replica.subnets,
        Port: replica.ports,
    }
    record: R | None = tables[kind].get(name)
    if record is None or not sees(replica, context.caller, record):
        raise _MISSING[kind](f"{kind.__name__} {name} could not be found")
    return record


def owned(replica: Replica, context: Context, kind: type[R], name: str) -> R:
    """Return a resource that the caller may change, as it was when they read it if they say so."""
    may_write(context.caller)
    record = found(replica, context, kind, name)
    if not context.caller.owns(record.project_id):
        raise PolicyNotAuthorized(f"{kind.__name__} {name} belongs to another project")
    if context.if_match is not None and context.if_match != record.revision_number:
        raise RevisionNumberConstraintFailed(
            f"{kind.__name__} {name} has revision {record.revision_number}, not {context.if_match} any more"
        )
    return record


def may_write(caller: Caller) -> None:
    """PolicyNotAuthorized for a caller who may only read."""
    if not caller.may_write:
        raise PolicyNotAuthorized(f"{caller.name} is a {caller.role} and may change nothing")


def stamps(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return what a new record begins with: the project it was asked for, or the caller's, and the time."""
    project = values.get("project_id", context.caller.project_id)
    if not project:
        raise InvalidInput("project_id: is empty; a resource belongs to a project")
    return {"project_id": project, "created_at": context.now, "updated_at": context.now}


def changed(record: R, context: Context, values: dict[str, Any]) -> R:
    """Return the record with these values, and counted as changed."""
    return msgspec.structs.replace(record, **values, revision_number=record.revision_number + 1, updated_at=context.now)
