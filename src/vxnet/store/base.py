# SPDX-License-Identifier: Apache-2.0
"""What a store is: keys in order, each with a value and the revision it was last written at.

       server A                      the store                        server B
          |   commit(Transaction)        |                               |
          |----------------------------->|  all of it, or none of it     |
          |   revision, or None: lost    |      Batch(revision, changes) |
          |<-----------------------------|------------------------------>|   follow()

A revision counts the transactions of the whole store: every commit that writes gets the next one or a later one, never
an earlier. Whoever has applied all batches up to a revision holds what the store held then.

Two kinds: sqlite.py, one file, nothing to install; etcd.py, for more than one server. Both pass tests/interop/store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StoreError(VxnetError):
    """The store cannot be reached or cannot write now: names the store and what it said. Nothing is half done.

    What was being committed may have been committed all the same: the answer is what got lost.
    """


class CompactedError(StoreError):
    """The changes after that revision are not kept any more: read everything anew."""


class Item(NamedTuple):
    """One key, its value, and the revision of the transaction that wrote it last."""

    key: str
    value: bytes
    revision: int


class Change(NamedTuple):
    """A key's new value; None: it is gone."""

    key: str
    value: bytes | None


class Batch(NamedTuple):
    """What one transaction changed."""

    revision: int
    changes: tuple[Change, ...]


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """Writes that are made together, if all that is asked for holds; else none is.

    ``unchanged``: each key was last written at this revision; 0: it is not there. ``empty``: there is no key that
    begins with it. ``writes``: each key's new value; None deletes it, and nothing to delete is fine.
    """

    unchanged: dict[str, int] = {}
    empty: frozenset[str] = frozenset()
    writes: dict[str, bytes | None]


class Store(ABC):
    """One store. All methods raise StoreError when it cannot be reached within some seconds, or cannot write."""

    url: str
    """As it was asked for, such as ``sqlite:///var/lib/vxnet/cluster.db``."""

    most_writes: int
    """How many keys one transaction can write, or ask for, at the most."""

    @abstractmethod
    async def read(self, prefix: str = "") -> tuple[int, list[Item]]:
        """Return all keys that begin with ``prefix``, in order, and the revision at which they stood so together."""

    @abstractmethod
    async def revision(self) -> int:
        """Return the revision now: every commit that was answered before this call is at it or before it."""

    @abstractmethod
    async def commit(self, transaction: Transaction) -> int | None:
        """Make the writes and return their revision, or None if something asked for does not hold: nothing is changed.

        ValueError if there are more than ``most_writes``.
        """

    @abstractmethod
    def follow(self, after: int) -> AsyncIterator[Batch]:
        """Yield every transaction after that revision, in order and whole, and wait for more, until closed.

        CompactedError when they are not kept any more. StoreError when the store is away: follow anew, after the last.
        """

    @abstractmethod
    async def compact(self, before: int) -> None:
        """Let the changes before that revision be forgotten, if they take room; what stands, stands."""

    @abstractmethod
    async def close(self) -> None:
        """Let go."""
