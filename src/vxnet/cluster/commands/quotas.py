# SPDX-License-Identifier: Apache-2.0
"""Quotas: how many networks, subnets and ports a project may have; -1: as many as it likes.

Of two servers that create the last one at the same moment both may be let: a quota holds back, it allocates nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cluster.commands.errors import OverQuota, PolicyNotAuthorized
from vxnet.cluster.records import Quota
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from collections import Counter

    from vxnet.cluster.commands.access import Context
    from vxnet.cluster.replica import Replica

RESOURCES = ("network", "subnet", "port")


def limits(replica: Replica, defaults: dict[str, int], project_id: str) -> dict[str, int]:
    """Return what a project may have of each resource."""
    own = replica.quotas.get(project_id)
    return {name: defaults.get(name, -1) for name in RESOURCES} | (own.limits if own else {})


def used(replica: Replica, project_id: str) -> dict[str, int]:
    """Return what it has."""
    return {
        "network": replica.networks.count("project_id", project_id),
        "subnet": replica.subnets.count("project_id", project_id),
        "port": replica.ports.count("project_id", project_id),
    }


def check(replica: Replica, defaults: dict[str, int], resource: str, wanted: Counter[str]) -> None:
    """OverQuota if a project would have more of a resource than it may; ``wanted``: how many more of it, by project."""
    for project_id, more in wanted.items():
        limit = limits(replica, defaults, project_id)[resource]
        have = used(replica, project_id)[resource]
        if 0 <= limit < have + more:
            raise OverQuota(f"project {project_id} has {have} of {limit} {resource}s; {more} more are over its quota")


def change(replica: Replica, context: Context, project_id: str, values: dict[str, int]) -> Decision[None]:
    """Give a project other limits; those that are not named stay."""
    _may(context)
    own = replica.quotas.get(project_id)
    quota = Quota(project_id, (own.limits if own else {}) | values)
    return Decision(transaction(replica, put=[quota]), None)


def reset(replica: Replica, context: Context, project_id: str) -> Decision[None]:
    """Let a project have the defaults again."""
    _may(context)
    own = replica.quotas.get(project_id)
    return Decision(transaction(replica, delete=[own]) if own else None, None)


def _may(context: Context) -> None:
    if not context.caller.is_admin:
        raise PolicyNotAuthorized("quotas are for administrators to change")
