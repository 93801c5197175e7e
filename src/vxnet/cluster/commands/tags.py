# SPDX-License-Identifier: Apache-2.0
"""Tags of networks, subnets and ports: words by which people find them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from vxnet.cluster.commands.access import Context, changed, owned
from vxnet.cluster.commands.errors import InvalidInput, TagNotFound
from vxnet.cluster.records import Network, Port, Subnet
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.cluster.replica import Replica

R = TypeVar("R", Network, Subnet, Port)

_LONGEST, _MOST = 255, 50


def replace(replica: Replica, context: Context, kind: type[R], name: str, tags: Iterable[str]) -> Decision[R]:
    """Let a resource have these tags and no others."""
    return _written(replica, context, owned(replica, context, kind, name), tags)


def add(replica: Replica, context: Context, kind: type[R], name: str, tag: str) -> Decision[R]:
    """Add one; one that is there already is fine."""
    record: R = owned(replica, context, kind, name)
    return _written(replica, context, record, (*record.tags, tag))


def remove(replica: Replica, context: Context, kind: type[R], name: str, tag: str) -> Decision[R]:
    """Remove one."""
    record: R = owned(replica, context, kind, name)
    if tag not in record.tags:
        raise TagNotFound(f"tag {tag} could not be found")
    return _written(replica, context, record, (there for there in record.tags if there != tag))


def _written(replica: Replica, context: Context, record: R, tags: Iterable[str]) -> Decision[R]:
    tags = tuple(sorted(set(tags)))
    for tag in tags:
        if not 0 < len(tag) <= _LONGEST or "," in tag:
            raise InvalidInput(f"tags: {tag!r} is none: it has 1 to {_LONGEST} characters and no comma")
    if len(tags) > _MOST:
        raise InvalidInput(f"tags: there may be {_MOST}")
    if tags == record.tags:
        return Decision(None, record)
    tagged: R = changed(record, context, {"tags": tags})
    return Decision(transaction(replica, put=[tagged]), tagged)
