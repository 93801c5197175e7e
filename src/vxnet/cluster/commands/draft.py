# SPDX-License-Identifier: Apache-2.0
"""One transaction in the making: what is decided in it already counts for what is decided next.

networks = [create(draft, values) for values in bodies]      each sees the VNIs that those before it took
draft.decision(networks)                                     all of it, or nothing
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from vxnet.cluster.commands.errors import over_quota, too_much_at_once
from vxnet.cluster.keys import Kept, key_of
from vxnet.cluster.records import Network, Port, Subnet
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.replica import Replica, Table

T = TypeVar("T")
R = TypeVar("R", bound=Network | Subnet | Port)


def used(replica: Replica, resource: str, project_id: str) -> int:
    """Return how many networks, subnets or ports a project has."""
    tables: dict[str, Table[Any]] = {"network": replica.networks, "subnet": replica.subnets, "port": replica.ports}
    return tables[resource].count("project_id", project_id)


class Draft:
    """What will be written, on which conditions, and what of it is taken by now."""

    def __init__(self, replica: Replica, act: Act) -> None:
        self.replica = replica
        self.act = act
        self.vnis: set[int] = set()
        self.macs: set[tuple[str, str]] = set()
        self.addresses: dict[str, set[int]] = {}
        self.lowest: dict[tuple[str, int], int] = {}
        self._puts: dict[str, Kept] = {}
        self._deletes: dict[str, Kept] = {}
        self._held: dict[str, Kept] = {}
        self._empty: set[str] = set()
        self._made: Counter[tuple[str, str]] = Counter()

    # ---- what is there ----

    def network(self, name: str) -> Network | None:
        """Return a network as it will be."""
        network = self.replica.networks.get(name)
        new = self._puts.get(key_of(network)) if network else None
        return new if isinstance(new, Network) else network

    def subnets_of(self, network_id: str) -> Iterator[Subnet]:
        """Yield the subnets of a network, with those that are new."""
        yield from self.replica.subnets.where("network_id", network_id)
        for record in self._puts.values():
            if isinstance(record, Subnet) and record.network_id == network_id and not self.replica.standing(record):
                yield record

    # ---- what will be ----

    def make(self, resource: str, project_id: str) -> None:
        """Count something new of a project, as far as its quota goes."""
        own = self.replica.quotas.get(project_id)
        limit = (own.limits if own else {}).get(resource, self.act.quotas.get(resource, -1))
        self._made[resource, project_id] += 1
        if 0 <= limit < used(self.replica, resource, project_id) + self._made[resource, project_id]:
            raise over_quota(resource, limit)

    def put(self, record: Kept) -> None:
        """Write a record, if it is as the replica has it when this is committed."""
        self._puts[key_of(record)] = record

    def change(self, old: R, **changes: Any) -> R:  # noqa: ANN401  (each field has its own type)
        """Write a record with these fields, and count its revision; nothing is written if it has them already."""
        if msgspec.structs.replace(old, **changes) == old:
            self.hold(old)
            return old
        new = msgspec.structs.replace(old, **changes, revision_number=old.revision_number + 1, updated_at=self.act.now)
        self.put(new)
        return new

    def touch(self, record: Network) -> None:
        """Count a revision of a record, once, because of something that belongs to it."""
        if key_of(record) not in self._puts:
            self.put(
                msgspec.structs.replace(record, revision_number=record.revision_number + 1, updated_at=self.act.now)
            )

    def delete(self, record: Kept) -> None:
        """Delete a record, if it is as the replica has it when this is committed."""
        self._deletes[key_of(record)] = record

    def hold(self, record: Kept) -> None:
        """Ask that a record is unchanged when this is committed."""
        self._held[key_of(record)] = record

    def need_empty(self, prefix: str) -> None:
        """Ask that there is no such claim when this is committed."""
        self._empty.add(prefix)

    def decision(self, result: T, things: int = 1) -> Decision[T]:
        """Return all of it as one decision about so many ``things``."""
        if not self._puts and not self._deletes:
            return Decision(None, result)
        written = transaction(
            self.replica,
            put=self._puts.values(),
            delete=self._deletes.values(),
            unchanged=self._held.values(),
            empty=self._empty,
        )
        needed = max(len(written.writes), len(written.unchanged) + len(written.empty))
        if needed > self.act.most_writes:
            raise too_much_at_once(things, needed, self.act.most_writes)
        return Decision(written, result)
