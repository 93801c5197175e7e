# SPDX-License-Identifier: Apache-2.0
"""Lists: which records, in which order, which page of them.

?name=a&name=b&admin_state_up=true     all filters hold; of one that is there twice, either value
&fields=id&fields=name                 only these attributes
&sort_key=name&sort_dir=desc           then by id, so that the order is always the same
&limit=100&marker=ID                   the page after that record; with page_reverse=true the one before it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.commands.errors import bad_request, not_authorized
from vxnet.server.api.attributes import Attribute
from vxnet.server.api.kinds import BOOLEAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vxnet.cluster.caller import Caller
    from vxnet.server.api.attributes import Resource, View

_OWN = frozenset({"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"})


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is asked for. ``limit`` None: all of it."""

    filters: dict[str, list[str]] = {}
    fields: tuple[str, ...] = ()
    sort: tuple[tuple[Attribute, bool], ...] = ()
    limit: int | None = None
    marker: str | None = None
    reverse: bool = False


class Page(msgspec.Struct, frozen=True):
    """Some records, and whether there are others before and after them."""

    records: Sequence[Any]
    before: bool
    after: bool


# ---- what is asked for ----


def parsed(resource: Resource, caller: Caller, parameters: Iterable[tuple[str, str]], most: int | None) -> Query:
    """Return what the parameters of a URL ask for; no page is longer than ``most``."""
    said: dict[str, list[str]] = {}
    for name, value in parameters:
        said.setdefault(name, []).append(value)
    filters = {name: values for name, values in said.items() if name not in _OWN}
    for name in filters:
        _check_filter(resource, caller, name)
    limit = _limit(said["limit"][-1]) if "limit" in said else None
    if most is not None:
        limit = min(limit or most, most)
    try:
        reverse = BOOLEAN.of_text(said.get("page_reverse", ["false"])[-1])
    except ValueError as error:
        raise bad_request(f"page_reverse: {error}") from None
    return Query(
        filters=filters,
        fields=tuple(name for name in said.get("fields", ()) if name),
        sort=_sort(resource, caller, said.get("sort_key", []), said.get("sort_dir", [])),
        limit=limit,
        marker=said.get("marker", [""])[-1] or None,
        reverse=bool(reverse),
    )


def _check_filter(resource: Resource, caller: Caller, name: str) -> None:
    if name in resource.tests:
        return
    attribute = resource.attribute(name)
    if attribute is None or not attribute.filter:
        raise bad_request(f"['{name}'] is invalid attribute for filter")
    if not attribute.is_seen_by(caller):
        raise not_authorized(f"get_{resource.name}:{name}")


def _limit(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise bad_request(f"Limit must be an integer 0 or greater and not '{text}'")
    return int(text) or None


def _sort(
    resource: Resource, caller: Caller, keys: Sequence[str], directions: Sequence[str]
) -> tuple[tuple[Attribute, bool], ...]:
    if directions and len(keys) != len(directions):
        raise bad_request("The number of sort_keys and sort_dirs must be same")
    found = []
    for key, direction in zip(keys, directions or ["asc"] * len(keys), strict=True):
        attribute = resource.attribute(key)
        if attribute is None or not attribute.sort:
            raise bad_request(f"['{key}'] is invalid attribute for sort_key")
        if not attribute.is_seen_by(caller):
            raise not_authorized(f"get_{resource.name}:{key}")
        if direction not in {"asc", "desc"}:
            raise bad_request(f"sort_dir '{direction}' is neither asc nor desc")
        found.append((attribute, direction == "desc"))
    return tuple(found)


# ---- finding it ----


def page(resource: Resource, view: View, query: Query) -> Page:
    """Return the records that are asked for, among those that the caller sees."""
    found = _ordered(list(_matching(resource, view, query)), view, query)
    if query.limit is None and query.marker is None:
        return Page(found, before=False, after=False)
    first, last = 0, len(found)
    if query.marker is not None:
        at, there = _place(found, resource.find(view, query.marker), view, query)
        first, last = (0, at) if query.reverse else (at + there, len(found))
    if query.limit is not None:
        first, last = (
            (max(first, last - query.limit), last) if query.reverse else (first, min(last, first + query.limit))
        )
    return Page(found[first:last], before=first > 0, after=last < len(found))


def _matching(resource: Resource, view: View, query: Query) -> Iterator[Any]:
    """Yield the records that pass all filters; an index is taken for the one that leaves the fewest."""
    tests = [_test(resource, view, name, values) for name, values in query.filters.items()]
    narrowed = [resource.narrow(view.replica, name, values) for name, values in query.filters.items()]
    best = min((found for found in narrowed if found), key=lambda found: found[0], default=None)
    candidates = resource.records(view) if best is None else (r for r in best[1] if resource.sees(view, r))
    return (record for record in candidates if all(test(record) for test in tests))


def _test(resource: Resource, view: View, name: str, values: Sequence[str]) -> Callable[[Any], bool]:
    attribute = resource.attribute(name)
    try:
        if name in resource.tests:
            return resource.tests[name](view, values)
        assert attribute is not None  # noqa: S101  (see _check_filter)
        wanted = {attribute.kind.of_text(value) for value in values}
    except ValueError as error:
        raise bad_request(f"Invalid input for {name}. Reason: {error}.") from None
    show = attribute.show
    assert show is not None  # noqa: S101  (what is not seen is no filter)
    return lambda record: show(view, record) in wanted


def _ordered(records: list[Any], view: View, query: Query) -> list[Any]:
    records.sort(key=lambda record: record.id)
    for attribute, descending in reversed(query.sort):
        records.sort(key=_key(attribute, view), reverse=descending)
    return records


def _key(attribute: Attribute, view: View) -> Callable[[Any], tuple[bool, Any]]:
    """Return what records are sorted by; null comes first."""

    def key(record: Any) -> tuple[bool, Any]:  # noqa: ANN401  (any record)
        value = attribute.show(view, record) if attribute.show else None
        return value is not None, value

    return key


def _place(found: list[Any], marker: Any, view: View, query: Query) -> tuple[int, bool]:  # noqa: ANN401
    """Return where a record stands, or would stand, among others in order, and whether it is there."""
    names = [record.id for record in found]
    if marker.id in names:
        return names.index(marker.id), True
    return [record.id for record in _ordered([*found, marker], view, query)].index(marker.id), False
