# SPDX-License-Identifier: Apache-2.0
"""Under which circumstances something is decided: who asks, when, and within which bounds."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.caller import Caller
from vxnet.cluster.commands.errors import other_revision

if TYPE_CHECKING:
    from vxnet.cluster.records import Record

_CHANCE = random.SystemRandom()


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """``now``: the time for what changes, see times.py. ``mtu``: the most that a tenant's packet may have, in bytes.

    ``quotas``: by resource, for projects that have none of their own. ``most_writes``: see `Store`. ``skip``: how many
    free numbers to pass over, so that servers that race for the lowest one part. ``revision``: the revision number that
    what is changed must have; None: any.
    """

    caller: Caller
    now: str
    mtu: int = 1450
    vni_ranges: tuple[tuple[int, int], ...] = ((1, 16777215),)
    quotas: dict[str, int] = {}
    most_writes: int = 10_000
    skip: int = 0
    revision: int | None = None
    chance: random.Random = _CHANCE

    def new_id(self) -> str:
        """Return an id that nothing has."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def new_mac(self) -> str:
        """Return a MAC of those that ports get: Neutron's ``fa:16:3e``, and three octets by chance."""
        return "fa:16:3e:" + self.chance.getrandbits(24).to_bytes(3).hex(":")

    def expect(self, record: Record) -> None:
        """Refuse what was meant for another state of a record."""
        if self.revision is not None and self.revision != record.revision_number:
            raise other_revision(self.revision, record.revision_number)


def fields(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return those values by the names they have in records."""
    return {name.replace(":", "_"): values[name] for name in names if name in values}
