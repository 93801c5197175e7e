# SPDX-License-Identifier: Apache-2.0
"""Before a server uses a store, it is made one of the schema that this vxnet knows.

    nothing in it       the first server writes schema and incarnation; of two that start together one does
    an older schema     step after step, see STEPS, each in transactions that fail if somebody else was faster
    our schema          well
    anything else       SchemaError

The older servers have to be stopped before a newer one starts; those that start together may do so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import uuid4

from vxnet.cluster.keys import META_INCARNATION, META_RESTORING, META_SCHEMA, SCHEMA
from vxnet.errors import VxnetError
from vxnet.store.base import Item, Store, Transaction

Step = Callable[[list[Item]], dict[str, bytes | None]]
"""What is to be written, None deletes, to get from one schema to the next, of all that stands.

If that is more than one transaction takes, it is written in parts, and after a power cut the step is asked anew about a
store where some parts are written already: its answer is then what is left to do.
"""

STEPS: Mapping[int, Step] = {}
"""By the schema that they begin from. There is one schema so far."""

_ATTEMPTS = 64


class SchemaError(VxnetError):
    """This store cannot be used by this vxnet: names the store, the schema and the cure. To try again is no use."""


async def prepare(store: Store, *, schema: int = SCHEMA, steps: Mapping[int, Step] = STEPS) -> None:
    """Make the store one of this schema. SchemaError if it cannot be; StoreError if it is away."""
    for _ in range(_ATTEMPTS):
        found = await _schema(store)
        if found is None:
            first: dict[str, bytes | None] = {META_SCHEMA: b"%d" % schema, META_INCARNATION: new_incarnation()}
            if await store.commit(Transaction(empty=frozenset(("",)), writes=first)) is not None:
                return
            if await _schema(store) is None:
                message = "it holds keys, but no cluster; give vxnet an empty one, or vxnet cluster restore --force"
                raise SchemaError(f"{store.url}: {message}")
        elif found > schema:
            raise SchemaError(f"{store.url}: it is of a newer vxnet (schema {found}, not {schema}); install that one")
        elif found == schema:
            return
        else:
            await _migrate(store, found, steps)
    raise SchemaError(f"{store.url}: other servers change its schema all the time; stop the older ones")


def new_incarnation() -> bytes:
    """Return a name for the life of a store that begins now."""
    return uuid4().hex.encode()


async def _schema(store: Store) -> int | None:
    """Return the store's schema; None: it has none."""
    meta = {item.key: item.value for item in (await store.read("meta/"))[1]}
    if META_RESTORING in meta:
        raise SchemaError(f"{store.url}: a backup is half restored; once more: vxnet cluster restore --force")
    if META_SCHEMA not in meta:
        return None
    try:
        return int(meta[META_SCHEMA])
    except ValueError as error:
        raise SchemaError(f"{store.url}: {META_SCHEMA} is {meta[META_SCHEMA]!r}; restore a backup") from error


async def _migrate(store: Store, found: int, steps: Mapping[int, Step]) -> None:
    """Do one step. Returns early if somebody else changes the store meanwhile."""
    if found not in steps:
        raise SchemaError(f"{store.url}: schema {found} is too old for this vxnet; install one in between first")
    _, items = await store.read()
    revisions = {item.key: item.revision for item in items}
    if META_SCHEMA not in revisions:
        return
    todo = list(steps[found](items).items())
    room = store.most_writes - 1  # and the schema itself
    while True:
        part, todo = dict(todo[:room]), todo[room:]
        unchanged = {key: revisions.get(key, 0) for key in (META_SCHEMA, *part)}
        if not todo:
            part[META_SCHEMA] = b"%d" % (found + 1)
        if await store.commit(Transaction(unchanged=unchanged, writes=part)) is None or not todo:
            return
