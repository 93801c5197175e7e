# SPDX-License-Identifier: Apache-2.0
"""A store and its replica, held together: reading what is true now, and changing it.

    write(decide):   1. the replica catches up with the store
                     2. decide(replica) -> Decision: what to write, and on which conditions
                     3. commit; if another server was faster, from the beginning
                     4. the replica has it; the caller gets the result

So whoever was answered finds it in every later answer, of this server and of the others.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from vxnet.cluster.keys import claims_of, key_of, value_of
from vxnet.cluster.replica import Replica
from vxnet.store.base import CompactedError, StoreError, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vxnet.cluster.keys import Kept
    from vxnet.cluster.replica import Edit
    from vxnet.store.base import Store

log = logging.getLogger("vxnet-server")

T = TypeVar("T")

_ATTEMPTS = 64
_PATIENCE = 10.0
"""Seconds to wait for the replica to have what the store has."""

_LEAST_PAUSE, _MOST_PAUSE = 0.1, 2.0
"""Seconds between attempts to follow a store that is away."""


class Decision(NamedTuple, Generic[T]):
    """What is to be written; None: nothing. ``result`` is what the caller gets once it is."""

    transaction: Transaction | None
    result: T


def transaction(
    replica: Replica,
    *,
    put: Iterable[Kept] = (),
    delete: Iterable[Kept] = (),
    unchanged: Iterable[Kept] = (),
    empty: Iterable[str] = (),
) -> Transaction:
    """Return the transaction that puts and deletes these records with their claims.

    It fails if a record that is put, deleted or named by ``unchanged`` is not what the replica holds any more, or if a
    new claim is somebody else's already.
    """
    expected: dict[str, int] = {}
    writes: dict[str, bytes | None] = {}
    put, delete = list(put), list(delete)
    for record in (*put, *delete, *unchanged):
        expected[key_of(record)] = replica.revision_of(record)
    old_claims: dict[str, bytes] = {}
    for record in (*put, *delete):
        if standing := replica.standing(record):
            old_claims.update(claims_of(standing))
    new_claims: dict[str, bytes] = {}
    for record in put:
        writes[key_of(record)] = value_of(record)
        new_claims.update(claims_of(record))
    for record in delete:
        writes[key_of(record)] = None
    for claim, owner in new_claims.items():
        if old_claims.get(claim) != owner:
            writes[claim] = owner
            if claim not in old_claims:
                expected[claim] = 0
    for claim in old_claims.keys() - new_claims.keys():
        writes[claim] = None
    return Transaction(unchanged=expected, empty=frozenset(empty), writes=writes)


class Observer(Protocol):
    """Who is told of every change, right after the replica has it."""

    def changed(self, revision: int, edits: list[Edit]) -> None:
        """One transaction did this."""

    def reloaded(self, replica: Replica) -> None:
        """Everything was read anew: ``replica`` takes the place of the old one, and what came between is not known."""


class Cluster:
    """The cluster that a store holds, as one server sees and changes it."""

    def __init__(self, store: Store, replica: Replica) -> None:
        """Begin from ``replica``; see `open`."""
        self.store = store
        self.replica = replica
        self.trouble = ""
        self._observers: list[Observer] = []
        self._writing = asyncio.Lock()
        self._moved = asyncio.Condition()

    @classmethod
    async def open(cls, store: Store) -> Cluster:
        """Read all that ``store`` holds. `run` then follows it."""
        return cls(store, Replica.of(*await store.read()))

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` of every change from now on."""
        self._observers.append(observer)

    async def run(self) -> None:
        """Follow the store until cancelled. While it is away it is asked again and again, and ``trouble`` says so."""
        pause = _LEAST_PAUSE
        complete = True
        while True:
            try:
                if not complete:
                    await self._reload()
                    complete = True
                async for batch in self.store.follow(self.replica.revision):
                    self._well()
                    pause = _LEAST_PAUSE
                    edits = self.replica.apply(batch)
                    for observer in self._observers:
                        observer.changed(batch.revision, edits)
                    await self._tell()
            except CompactedError:
                complete = False
            except StoreError as error:
                if str(error) != self.trouble:
                    log.error("%s", error)  # noqa: TRY400  (its words say it all; it is tried again)
                self.trouble = str(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  (jitter, not a secret)
                pause = min(2 * pause, _MOST_PAUSE)

    async def fresh(self) -> Replica:
        """Return the replica once it has everything that was committed before this call, by whomever.

        StoreError if the store is away: what it holds now nobody can say.
        """
        await self._reach(await self.store.revision())
        self._well()
        return self.replica

    async def write(self, decide: Callable[[Replica], Decision[T]]) -> T:
        """Decide on what the cluster is now, commit it, and return the result once the replica has it.

        Raises what ``decide`` raises, and StoreError.
        """
        async with self._writing:
            for attempt in range(_ATTEMPTS):
                decision = decide(await self.fresh())
                if decision.transaction is None:
                    break
                revision = await self.store.commit(decision.transaction)
                if revision is not None:
                    await self._reach(revision)
                    break
                await asyncio.sleep(random.uniform(0, 0.002 * attempt))  # noqa: S311  (jitter, not a secret)
            else:
                message = f"{self.store.url}: other servers were faster {_ATTEMPTS} times; try again"
                raise StoreError(message)
        return decision.result

    async def _reach(self, revision: int) -> None:
        """Wait until the replica has everything until that revision."""
        async with self._moved:
            try:
                # Not asyncio.wait_for: until Python 3.12 it loses a cancellation that comes as what it waits for does.
                async with asyncio.timeout(_PATIENCE):
                    await self._moved.wait_for(lambda: self.replica.revision >= revision)
            except TimeoutError as error:
                message = f"{self.store.url}: its changes do not arrive; {self.trouble or 'try again'}"
                raise StoreError(message) from error

    async def _reload(self) -> None:
        replica = Replica.of(*await self.store.read())
        self.replica = replica
        for observer in self._observers:
            observer.reloaded(replica)
        await self._tell()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _well(self) -> None:
        if self.trouble:
            log.info("%s: is back", self.store.url)
        self.trouble = ""
