# SPDX-License-Identifier: Apache-2.0
"""Creating networks through the API, each by a request of its own: by one client, then by several at once."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bench.cluster.stage import Stage, stage, store_of
from bench.cluster.wire import Client


class Creating(msgspec.Struct, frozen=True, kw_only=True):
    """So many clients at once: requests a second, and what the server computed for each, in milliseconds."""

    store: str
    clients: int
    networks: int
    per_second: float
    cpu_ms: float


def creating(kind: str, clients: int, count: int) -> Creating:
    """Create ``count`` networks in a new store. LabError if the server refuses one."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-cluster-") as folder,
        store_of(kind, Path(folder)) as store,
        stage(store, Path(folder)) as there,
    ):
        computed, began = there.cpu(), time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(_create, there, number, count // clients) for number in range(clients)]:
                done.result()
        took = time.monotonic() - began
        made = count // clients * clients
        return Creating(
            store=kind,
            clients=clients,
            networks=made,
            per_second=made / took,
            cpu_ms=(there.cpu() - computed) / made * 1000,
        )


def _create(there: Stage, client: int, count: int) -> None:
    with Client(there.url, there.token) as connection:
        for number in range(count):
            connection.ask("POST", "/v2.0/networks", {"network": {"name": f"net{client}-{number}"}})
