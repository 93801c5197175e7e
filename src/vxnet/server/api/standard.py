# SPDX-License-Identifier: Apache-2.0
"""The attributes that networks, subnets and ports have alike, and filters by tags."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from vxnet.server.api.attributes import Attribute
from vxnet.server.api.kinds import NAME, TEXTS, TIME, UUID, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vxnet.cluster.replica import Table
    from vxnet.server.api.attributes import View


def field(name: str) -> Callable[[View, Any], Any]:
    """Return what shows a field of a record as it is."""
    get = attrgetter(name)
    return lambda _, record: get(record)


def always(value: Any) -> Callable[[View, Any], Any]:  # noqa: ANN401  (whatever JSON can say)
    """Return what shows the same of every record."""
    return lambda _view, _record: value


HEAD = (
    Attribute(name="id", kind=UUID, about="Its id.", show=field("id"), filter=True, sort=True),
    Attribute(
        name="name", kind=NAME, about="Its name, which others may have, too.",
        show=field("name"), post=True, put=True, default="", filter=True, sort=True,
    ),
    Attribute(
        name="description", kind=NAME, about="What people say of it.",
        show=field("description"), post=True, put=True, default="", filter=True, sort=True,
    ),
)  # fmt: skip

_PROJECT = "Whose it is; an admin may say so when it is made."

TAIL = (
    Attribute(
        name="project_id", kind=NAME, about=_PROJECT, show=field("project_id"), post=True, filter=True, sort=True
    ),
    Attribute(
        name="tenant_id", kind=NAME, about=_PROJECT + " The older name.",
        show=field("project_id"), post=True, filter=True, sort=True,
    ),
    Attribute(
        name="revision_number", kind=number(0, 2**31), about="Counts its changes; for If-Match.",
        show=field("revision_number"), filter=True, sort=True,
    ),
    Attribute(name="tags", kind=TEXTS, about="Set by .../tags.", show=field("tags")),
    Attribute(
        name="created_at", kind=TIME, about="When it was made, in UTC.",
        show=field("created_at"), filter=True, sort=True,
    ),
    Attribute(
        name="updated_at", kind=TIME, about="When it was changed last, in UTC.",
        show=field("updated_at"), filter=True, sort=True,
    ),
)  # fmt: skip


def _tags(values: Sequence[str]) -> set[str]:
    return {tag for value in values for tag in value.split(",")}


def _tagged(passes: Callable[[set[str], set[str]], bool]) -> Callable[[View, Sequence[str]], Callable[[Any], bool]]:
    """Return a filter by the tags that are wanted and those that something has."""

    def test_for(_: View, values: Sequence[str]) -> Callable[[Any], bool]:
        wanted = _tags(values)
        return lambda record: passes(wanted, set(record.tags))

    return test_for


TAG_TESTS: dict[str, Callable[[View, Sequence[str]], Callable[[Any], bool]]] = {
    "tags": _tagged(lambda wanted, tags: wanted <= tags),
    "tags-any": _tagged(lambda wanted, tags: bool(wanted & tags)),
    "not-tags": _tagged(lambda wanted, tags: not wanted <= tags),
    "not-tags-any": _tagged(lambda wanted, tags: not wanted & tags),
}
"""Filters by tags: all of them, any, not all, none."""

INDEXED = {"tenant_id": "project_id", "binding:host_id": "binding_host_id"}
"""The names of indexed fields where the API calls them otherwise."""


def narrowed(table: Table[Any], name: str, values: Sequence[str]) -> tuple[int, Iterator[Any]] | None:
    """Return how many records of a table a filter leaves, and which, if an index tells; see `Resource`."""
    if name == "id":
        return len(values), (record for value in dict.fromkeys(values) if (record := table.get(value)))
    name = INDEXED.get(name, name)
    if name not in table.indexed:
        return None
    different = dict.fromkeys(values)
    return sum(table.count(name, value) for value in different), (
        record for value in different for record in table.where(name, value)
    )
