# SPDX-License-Identifier: Apache-2.0
"""Every test of what a store promises is run with each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vxnet.lab.etcd import Etcd
from vxnet.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from vxnet.store.base import Store

KINDS = ("sqlite", "etcd")


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """Return an etcd of one member, for all tests."""
    with Etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests by asyncio."""
    return "asyncio"


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/cluster.db"
    running: Etcd = request.getfixturevalue("etcd")
    running.empty()
    return running.url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """Return the empty store, open."""
    opened = await open_store(url)
    yield opened
    await opened.close()


@pytest.fixture
async def other(url: str, store: Store) -> AsyncIterator[Store]:
    """Return the same store, opened once more, as by another server."""
    assert store.url == url
    opened = await open_store(url)
    yield opened
    await opened.close()
