# SPDX-License-Identifier: Apache-2.0
"""What a request may say of a resource: the tables of attributes, and holding a body against one.

    {"port": {"name": "web", "mtu": "1450"}} --> {"name": "web", "mtu": 1450}     only what was said, each value fit

Values beside one another, and beside what is there, are judged by cluster/commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from vxnet.cluster.commands.errors import InvalidInput, PolicyNotAuthorized
from vxnet.server.api.kinds import Kind, UnfitError

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller

Verb = Literal["POST", "PUT"]


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a resource.

    ``field`` is the record's, where the name is another one. ``kind`` None: it is shown, and never set. ``put``: it may
    be changed. ``admin``: only administrators may set it, ``admin_sees``: and see it. ``required``: POST has to say it.
    """

    name: str
    kind: Kind | None = None
    field: str = ""
    put: bool = True
    admin: bool = False
    admin_sees: bool = False
    required: bool = False
    schema: dict[str, Any] = {}


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of resource: ``name`` "port", ``collection`` "ports", and its attributes by their names."""

    name: str
    collection: str
    attributes: dict[str, Attribute]


def resource(name: str, attributes: tuple[Attribute, ...]) -> Resource:
    """Return the resource of this name."""
    return Resource(name=name, collection=f"{name}s", attributes={a.name: a for a in attributes})


def accept(table: Resource, said: Any, caller: Caller, verb: Verb) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """Return the fields of what a request says of one resource. ApiError for the first fault in it."""
    if not isinstance(said, dict):
        raise InvalidInput(f"{table.name}: is no object with attributes")
    unknown = sorted(said.keys() - table.attributes.keys())
    if unknown:
        raise InvalidInput(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    fields: dict[str, Any] = {}
    for name, value in said.items():
        attribute = table.attributes[name]
        _may_set(table, attribute, caller, verb)
        if attribute.kind is None:  # for mypy: _may_set has refused it
            continue
        try:
            fields[attribute.field or name.replace(":", "_")] = attribute.kind.convert(value)
        except UnfitError as error:
            raise InvalidInput(f"{name}: {error}") from None
    if verb == "POST":
        for attribute in table.attributes.values():
            if attribute.required and attribute.name not in said:
                raise InvalidInput(f"{table.name}: {attribute.name} is missing; it is required")
    return fields


def _may_set(table: Resource, attribute: Attribute, caller: Caller, verb: Verb) -> None:
    if attribute.kind is None:
        raise InvalidInput(f"{attribute.name}: is not set by requests")
    if verb == "PUT" and not attribute.put:
        raise InvalidInput(f"Cannot update read-only attribute {attribute.name}")
    if attribute.admin and not caller.is_admin:
        raise PolicyNotAuthorized(f"{attribute.name} of a {table.name} is for administrators to set")
