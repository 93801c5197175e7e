# SPDX-License-Identifier: Apache-2.0
"""What a list's query string asks for: which, in what order, how many, and which of their attributes.

    ?name=web&status=ACTIVE&sort_key=name&limit=20&marker=ID&fields=id&fields=name

A filter that is there several times takes any of its values. Tags have filters of their own: tags (all of them),
tags-any, not-tags, not-tags-any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.commands.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from starlette.datastructures import QueryParams

    from vxnet.server.api.accept import Resource

View = dict[str, Any]

_TAGS: dict[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda has, asked: asked <= has,
    "tags-any": lambda has, asked: bool(asked & has),
    "not-tags": lambda has, asked: not asked <= has,
    "not-tags-any": lambda has, asked: not asked & has,
}
_WORDS = frozenset({"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"})


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query string, taken apart. ``limit`` 0: all."""

    filters: dict[str, list[str]]
    fields: frozenset[str]
    sort: tuple[tuple[str, bool], ...]
    limit: int
    marker: str
    backwards: bool


def parse(parameters: QueryParams, table: Resource, most: int) -> Query:
    """Return what is asked for. InvalidInput for what nobody can ask of these resources."""
    filters = {name: parameters.getlist(name) for name in parameters if name not in _WORDS}
    unknown = [name for name in filters if name not in table.attributes and name not in _TAGS]
    if unknown:
        raise InvalidInput(f"{', '.join(sorted(unknown))}: {table.collection} cannot be filtered by it")
    keys, directions = parameters.getlist("sort_key"), parameters.getlist("sort_dir")
    if directions and len(directions) != len(keys):
        raise InvalidInput("sort_dir: there must be one for each sort_key")
    for key in keys:
        if key not in table.attributes:
            raise InvalidInput(f"sort_key: {table.collection} have no {key}")
    for direction in directions:
        if direction not in {"asc", "desc"}:
            raise InvalidInput(f"sort_dir: {direction} is neither asc nor desc")
    limit = parameters.get("limit", "0")
    if not limit.isascii() or not limit.isdigit():
        raise InvalidInput(f"limit: {limit!r} is no number")
    asked = min(int(limit[:9]) or most, most) if most > 0 else int(limit[:9])
    return Query(
        filters=filters,
        fields=frozenset(field for text in parameters.getlist("fields") for field in text.split(",") if field),
        sort=tuple(
            (key, direction == "desc") for key, direction in zip(keys, directions or ["asc"] * len(keys), strict=True)
        ),
        limit=asked,
        marker=parameters.get("marker", ""),
        backwards=parameters.get("page_reverse", "").lower() in {"true", "1"},
    )


def fits(query: Query, view: View) -> bool:
    """Tell whether a resource is among those asked for. One whose attribute the caller cannot see is not."""
    for name, asked in query.filters.items():
        if name in _TAGS:
            wanted = {tag for text in asked for tag in text.split(",")}
            if not _TAGS[name](set(view["tags"]), wanted):
                return False
        elif name not in view or not _matches(view[name], asked):
            return False
    return True


def _matches(value: Any, asked: Sequence[str]) -> bool:  # noqa: ANN401  (JSON)
    match value:
        case bool():
            return any((text.lower() in {"true", "1", "yes"}) == value for text in asked)
        case None:
            return any(text in {"", "null", "None"} for text in asked)
        case list() | tuple():
            return any(_part(value, text) for text in asked)
        case _:
            return str(value) in asked


def _part(parts: Iterable[Any], text: str) -> bool:
    """Tell whether a list has this in it: ``ip_address=10.0.0.5`` of fixed_ips, or the text itself."""
    name, equals, value = text.partition("=")
    if equals:
        return any(str(getattr(part, name, None)) == value for part in parts)
    return any(str(part) == text for part in parts)


def ordered(query: Query, views: list[View]) -> list[View]:
    """Return the resources in the order asked for, equal ones by their id, so that pages fit together."""
    views = sorted(views, key=lambda view: str(view["id"])) if query.sort or query.limit else views
    for key, downwards in reversed(query.sort):
        views.sort(key=lambda view: _sortable(view.get(key)), reverse=downwards)
    return views


def _sortable(value: Any) -> tuple[int, float, str]:  # noqa: ANN401  (JSON)
    """Return a value that stands beside all others: nothing first, then numbers, then texts."""
    match value:
        case None:
            return 0, 0, ""
        case int() | float():
            return 1, value, ""
        case _:
            return 2, 0, str(value)


class Page(msgspec.Struct, frozen=True):
    """What of a list is answered; ``before`` and ``after``: the marker of the page before and after it, "" for none."""

    views: list[View]
    before: str = ""
    after: str = ""


def page(query: Query, views: list[View]) -> Page:
    """Return the part of the list that is asked for. InvalidInput if the marker is none of it."""
    if not query.limit:
        return Page(views)
    first, last = 0, len(views)
    if query.marker:
        at = next((n for n, view in enumerate(views) if view["id"] == query.marker), None)
        if at is None:
            raise InvalidInput(f"marker: {query.marker} is not in this list")
        first, last = (0, at) if query.backwards else (at + 1, len(views))
    if query.backwards:
        first = max(first, last - query.limit)
    else:
        last = min(last, first + query.limit)
    part = views[first:last]
    if not part:
        return Page([])
    return Page(part, part[0]["id"] if first else "", part[-1]["id"] if last < len(views) else "")


def cut(query: Query, view: View) -> View:
    """Return the attributes asked for: all unless some are named."""
    return {name: value for name, value in view.items() if name in query.fields} if query.fields else view
