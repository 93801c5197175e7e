# SPDX-License-Identifier: Apache-2.0
"""How much a project may have: its own quota, or the one that all have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vxnet.cluster.commands import draft
from vxnet.cluster.commands.errors import not_authorized, quota_below_use, quota_not_found
from vxnet.cluster.records import Quota

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller
    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Decision

RESOURCES: Final = ("network", "subnet", "port")
"""What is counted."""


def limits(replica: Replica, defaults: dict[str, int], project_id: str) -> dict[str, int]:
    """Return how much a project may have of each resource; -1: as much as it likes."""
    own = replica.quotas.get(project_id)
    return {name: (own.limits if own else {}).get(name, defaults.get(name, -1)) for name in RESOURCES}


def used(replica: Replica, project_id: str) -> dict[str, int]:
    """Return how much a project has of each resource."""
    return {name: draft.used(replica, name, project_id) for name in RESOURCES}


def check_sees(caller: Caller, project_id: str) -> None:
    """Refuse who may not see this project's quota."""
    if not caller.owns(project_id):
        raise not_authorized("get_quota")


def update(
    replica: Replica, act: Act, project_id: str, changes: dict[str, int], *, check: bool = False
) -> Decision[dict[str, int]]:
    """Give a project a quota of its own. ``check``: refuse one that it is above already."""
    if not act.caller.is_admin:
        raise not_authorized("update_quota")
    have = used(replica, project_id)
    for name, limit in changes.items():
        if check and 0 <= limit < have[name]:
            raise quota_below_use(name, have[name])
    old = replica.quotas.get(project_id)
    written = draft.Draft(replica, act)
    written.put(Quota(project_id, (old.limits if old else {}) | changes))
    return written.decision(limits(replica, act.quotas, project_id) | changes)


def delete(replica: Replica, act: Act, project_id: str) -> Decision[None]:
    """Let a project have the quota that all have."""
    if not act.caller.is_admin:
        raise not_authorized("delete_quota")
    old = replica.quotas.get(project_id)
    if old is None:
        raise quota_not_found(project_id)
    written = draft.Draft(replica, act)
    written.delete(old)
    return written.decision(None)
