# SPDX-License-Identifier: Apache-2.0
"""Tags of networks, subnets and ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vxnet.cluster.commands import access
from vxnet.cluster.commands.draft import Draft
from vxnet.cluster.commands.errors import tag_not_found, too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vxnet.cluster.caller import Caller
    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.records import Network, Port, Subnet
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Decision

MOST_TAGS: Final = 50
"""How many tags a thing may have."""

Seen = dict[str, "Callable[[Replica, Caller, str], Network | Subnet | Port]"]

_SEEN: Seen = {"network": access.network, "subnet": access.subnet, "port": access.port}


def tags_of(replica: Replica, caller: Caller, resource: str, name: str) -> tuple[str, ...]:
    """Return the tags of a resource that the caller sees."""
    return _SEEN[resource](replica, caller, name).tags


def replace(replica: Replica, act: Act, resource: str, name: str, tags: Iterable[str]) -> Decision[tuple[str, ...]]:
    """Give these tags to a resource, and no others."""
    return _changed(replica, act, resource, name, lambda _: tags)


def add(replica: Replica, act: Act, resource: str, name: str, tags: Iterable[str]) -> Decision[tuple[str, ...]]:
    """Give these tags to a resource too."""
    return _changed(replica, act, resource, name, lambda old: (*old, *tags))


def remove(replica: Replica, act: Act, resource: str, name: str, tag: str) -> Decision[tuple[str, ...]]:
    """Take one tag from a resource."""
    if tag not in tags_of(replica, act.caller, resource, name):
        raise tag_not_found(tag)
    return _changed(replica, act, resource, name, lambda old: (other for other in old if other != tag))


def _changed(
    replica: Replica,
    act: Act,
    resource: str,
    name: str,
    change: Callable[[tuple[str, ...]], Iterable[str]],
) -> Decision[tuple[str, ...]]:
    old = _SEEN[resource](replica, act.caller, name)
    access.to_change(act.caller, old, f"update_{resource}s_tags")
    act.expect(old)
    tags = tuple(sorted(set(change(old.tags))))
    if len(tags) > MOST_TAGS:
        raise too_many("tags", MOST_TAGS)
    draft = Draft(replica, act)
    return draft.decision(draft.change(old, tags=tags).tags)
