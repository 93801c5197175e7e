# SPDX-License-Identifier: Apache-2.0
"""What resources are made of: one table of attributes each, and all that follows from it.

body  --accepted()-->  values for cluster/commands       unknown, read-only, not the caller's: refused
record --shown()-->  what the caller sees of it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from vxnet.cluster.caller import Caller
from vxnet.cluster.commands.errors import bad_request, not_authorized
from vxnet.cluster.liveness import Liveness
from vxnet.cluster.replica import Replica
from vxnet.server.api.kinds import Kind

UNSAID: Any = msgspec.UNSET


class View(msgspec.Struct, frozen=True):
    """Through whose eyes, and when."""

    replica: Replica
    liveness: Liveness
    caller: Caller


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a resource.

    ``show``: what there is to see of it; None: nothing. ``post``, ``put``: whether it may be said then. ``write`` and
    ``read``: who may. ``default``: what it is if nothing is said, and so may be said by all. ``filter``: whether lists
    are filtered by it; ``sort``: whether they are sorted by it.
    """

    name: str
    kind: Kind
    about: str
    show: Callable[[View, Any], Any] | None = None
    post: bool = False
    put: bool = False
    required: bool = False
    write: Literal["all", "admin"] = "all"
    read: Literal["all", "admin"] = "all"
    default: Any = UNSAID
    filter: bool = False
    sort: bool = False

    def is_seen_by(self, caller: Caller) -> bool:
        """Whether there is anything of it for the caller."""
        return self.show is not None and (self.read == "all" or caller.is_admin)


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of thing. ``records``: those the caller sees; ``find``: the one with an id, or a RefusedError.

    ``narrow``: for a filter's name and values, the records among which those that pass are, if there is an index.
    ``tests``: filters that are no attributes.
    """

    name: str
    plural: str
    attributes: tuple[Attribute, ...]
    records: Callable[[View], Iterator[Any]]
    sees: Callable[[View, Any], bool]
    find: Callable[[View, str], Any]
    narrow: Callable[[Replica, str, Sequence[str]], tuple[int, Iterator[Any]] | None]
    tests: dict[str, Callable[[View, Sequence[str]], Callable[[Any], bool]]] = {}

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def seen_by(self, caller: Caller, fields: Sequence[str] = ()) -> tuple[Attribute, ...]:
        """Return the attributes that the caller sees; of ``fields`` only, if there are any."""
        seen = (attribute for attribute in self.attributes if attribute.is_seen_by(caller))
        return tuple(attribute for attribute in seen if not fields or attribute.name in fields)


def shown(view: View, attributes: Sequence[Attribute], record: Any) -> dict[str, Any]:  # noqa: ANN401  (any record)
    """Return what is to be seen of a record."""
    return {attribute.name: attribute.show(view, record) for attribute in attributes if attribute.show}


def accepted(resource: Resource, caller: Caller, body: Any, action: Literal["create", "update"]) -> dict[str, Any]:  # noqa: ANN401
    """Return the values of a body; refuse what is unknown, not to be said, not the caller's to say, or no value."""
    if not isinstance(body, dict):
        raise bad_request(f"Invalid input for {resource.name}. Reason: '{body}' is not an object.")
    known = {attribute.name: attribute for attribute in resource.attributes}
    if strange := sorted(body.keys() - known.keys()):
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(strange)}'")
    values = {}
    for name, said in body.items():
        attribute = known[name]
        value = _value(attribute, said, action)
        if attribute.write == "all" or caller.is_admin:
            values[name] = value
        elif action == "update" or value != attribute.default:
            raise not_authorized(f"{action}_{resource.name}:{name}")
    missing = [a.name for a in resource.attributes if a.required and a.name not in values]
    if action == "create" and missing:
        raise bad_request(f"Failed to parse request. Required attribute '{missing[0]}' not specified")
    return values


def _value(attribute: Attribute, said: Any, action: Literal["create", "update"]) -> Any:  # noqa: ANN401
    """Return the value of an attribute that may be said."""
    if action == "create" and not attribute.post:
        raise bad_request(f"Attribute '{attribute.name}' not allowed in POST")
    if action == "update" and not attribute.put:
        raise bad_request(f"Cannot update read-only attribute {attribute.name}")
    try:
        return attribute.kind.convert(said)
    except ValueError as error:
        raise bad_request(f"Invalid input for {attribute.name}. Reason: {error}.") from None
