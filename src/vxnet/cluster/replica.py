# SPDX-License-Identifier: Apache-2.0
"""All of the store in memory, as it stood at one revision, indexed for the questions that are asked of it.

Every server has one, and answers from it; what it decides on the strength of it, the store checks again when it is
committed (see writing.py). It changes by whole batches alone, so whoever looks between two of them sees no half of one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from vxnet.cluster.keys import KINDS, META_INCARNATION, Kept, id_of, key_of, value_of
from vxnet.cluster.records import Agent, Heartbeat, Network, Port, PortState, Quota, Server, Subnet, Token, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vxnet.store.base import Batch, Item

T = TypeVar("T", bound=Kept)


class Table(Generic[T]):
    """The records of one kind by their id, and by the values of some fields."""

    def __init__(self, *indexed: str) -> None:
        self._records: dict[str, T] = {}
        self._revisions: dict[str, int] = {}
        self._indexes: dict[str, defaultdict[str, dict[str, None]]] = {field: defaultdict(dict) for field in indexed}

    def get(self, name: str) -> T | None:
        """Return the record with this id."""
        return self._records.get(name)

    def revision_of(self, name: str) -> int:
        """Return the store's revision at which the record was last written; 0 if there is none."""
        return self._revisions.get(name, 0)

    def where(self, field: str, value: str) -> Iterator[T]:
        """Yield the records whose indexed ``field`` is ``value``, oldest first."""
        return (self._records[name] for name in self._indexes[field].get(value, ()))

    def count(self, field: str, value: str) -> int:
        """Return how many those are."""
        return len(self._indexes[field].get(value, ()))

    @property
    def indexed(self) -> frozenset[str]:
        """The fields that `where` takes."""
        return frozenset(self._indexes)

    def __iter__(self) -> Iterator[T]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: T, revision: int) -> None:
        """Take a record in the place of the one with its id."""
        name = id_of(record)
        old = self._records.get(name)
        for field, index in self._indexes.items():
            value = getattr(record, field)
            if old is None or getattr(old, field) != value:
                self._forget(index, field, old, name)
                index[value][name] = None
        self._records[name] = record
        self._revisions[name] = revision

    def remove(self, name: str) -> None:
        """Let the record with this id go; none is fine."""
        old = self._records.pop(name, None)
        self._revisions.pop(name, None)
        for field, index in self._indexes.items():
            self._forget(index, field, old, name)

    def _forget(self, index: defaultdict[str, dict[str, None]], field: str, old: T | None, name: str) -> None:
        if old is None:
            return
        names = index[getattr(old, field)]
        names.pop(name, None)
        if not names:
            del index[getattr(old, field)]


class Edit(NamedTuple):
    """What a batch did to one record: what it was, and what it is; None: it was not, or is not any more, there."""

    old: Kept | None
    new: Kept | None


class Numbers:
    """Which numbers of a range are taken, and the lowest that is free, found without looking at all of them."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._low: dict[int, int] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._taken

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, number: int) -> None:
        """It is taken."""
        self._taken.add(number)

    def free(self, number: int) -> None:
        """It is free again."""
        self._taken.discard(number)
        for first, low in self._low.items():
            if first <= number < low:
                self._low[first] = number

    def lowest(self, first: int, last: int) -> int | None:
        """Return the lowest free number from ``first`` to ``last``; None if there is none."""
        number = self._low.get(first, first)
        while number in self._taken:
            number += 1
        self._low[first] = number
        return number if number <= last else None


class Replica:
    """The cluster at ``revision``.

    ``incarnation`` names the life of a store: revisions of another one (a backup that was restored) mean nothing here.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.incarnation = ""
        self.networks = Table[Network]("project_id", "name")
        self.subnets = Table[Subnet]("project_id", "name", "network_id")
        self.ports = Table[Port]("project_id", "name", "network_id", "binding_host_id", "device_id")
        self.port_states = Table[PortState]("host")
        self.agents = Table[Agent]()
        self.heartbeats = Table[Heartbeat]()
        self.users = Table[User]()
        self.tokens = Table[Token]("host")
        self.quotas = Table[Quota]()
        self.servers = Table[Server]()
        self.vnis = Numbers()
        self._addresses: dict[str, Numbers] = {}
        self._macs: dict[tuple[str, str], str] = {}
        self._tables: dict[str, Table[Any]] = {
            "network": self.networks,
            "subnet": self.subnets,
            "port": self.ports,
            "port-state": self.port_states,
            "agent": self.agents,
            "heartbeat": self.heartbeats,
            "user": self.users,
            "token": self.tokens,
            "quota": self.quotas,
            "server": self.servers,
        }

    @classmethod
    def of(cls, revision: int, items: Iterable[Item]) -> Replica:
        """Return the replica of what `Store.read` gave."""
        replica = cls()
        for item in items:
            replica._take(item.key, item.value, item.revision)
        replica.revision = revision
        return replica

    def apply(self, batch: Batch) -> list[Edit]:
        """Follow one transaction. Return what it did to records."""
        edits = [self._take(change.key, change.value, batch.revision) for change in batch.changes]
        self.revision = batch.revision
        return [edit for edit in edits if edit]

    def revision_of(self, record: Kept) -> int:
        """Return the store's revision at which the record with this one's key was last written; 0: there is none."""
        return self._table_of(record).revision_of(id_of(record))

    def standing(self, record: T) -> T | None:
        """Return the record that has this one's key here."""
        return self._table_of(record).get(id_of(record))

    def _table_of(self, record: T) -> Table[T]:
        return self._tables[key_of(record).partition("/")[0]]

    def addresses(self, subnet_id: str) -> Numbers:
        """Return which addresses of a subnet are taken by ports, as integers. To be looked at, not changed."""
        return self._addresses.get(subnet_id) or self._addresses.setdefault(subnet_id, Numbers())

    def port_with_mac(self, network_id: str, mac: str) -> str | None:
        """Return the id of the port that has this MAC in a network."""
        return self._macs.get((network_id, mac))

    def digest(self) -> str:
        """Return a checksum of every record but the heartbeats: replicas that agree have the same."""
        records = (record for kind, table in self._tables.items() if kind != "heartbeat" for record in table)
        lines = sorted(key_of(record).encode() + b" " + value_of(record) for record in records)
        return hashlib.sha256(b"\n".join(lines)).hexdigest()

    def _take(self, key: str, value: bytes | None, revision: int) -> Edit | None:
        kind, _, name = key.partition("/")
        table = self._tables.get(kind)
        if table is None:
            if key == META_INCARNATION:
                self.incarnation = (value or b"").decode()
            return None  # a claim, which says nothing that records do not say
        old = table.get(name)
        new = None if value is None else _DECODERS[kind](value)
        if new is None:
            table.remove(name)
        else:
            table.put(new, revision)
        self._count(old, Numbers.free)
        self._count(new, Numbers.take)
        return Edit(old, new)

    def _count(self, record: Kept | None, change: Callable[[Numbers, int], None]) -> None:
        """Keep what is taken in step with a record that comes or goes."""
        match record:
            case Network():
                change(self.vnis, record.vni)
            case Port():
                for fixed in record.fixed_ips:
                    change(self.addresses(fixed.subnet_id), int(ip_address(fixed.ip_address)))
                place = record.network_id, record.mac_address
                if change is Numbers.take:
                    self._macs[place] = record.id
                else:
                    self._macs.pop(place, None)
            case _:
                pass


_DECODERS: dict[str, Callable[[bytes], Kept]] = {
    name: msgspec.json.Decoder(kind).decode for name, kind in KINDS.items()
}
