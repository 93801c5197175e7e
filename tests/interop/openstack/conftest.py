# SPDX-License-Identifier: Apache-2.0
"""One server for the tests of a file; each test has names and networks of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.apiserver import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Return a server that runs."""
    with ApiServer(f"sqlite://{tmp_path_factory.mktemp('api')}/cluster.db") as running:
        yield running


@pytest.fixture
def root(server: ApiServer) -> Iterator[httpx.Client]:
    """Return an administrator."""
    with server.client("root") as client:
        yield client


@pytest.fixture
def alice(server: ApiServer) -> Iterator[httpx.Client]:
    """Return a member of the project red."""
    with server.client("alice") as client:
        yield client


@pytest.fixture
def bob(server: ApiServer) -> Iterator[httpx.Client]:
    """Return a member of the project blue."""
    with server.client("bob") as client:
        yield client


@pytest.fixture
def rita(server: ApiServer) -> Iterator[httpx.Client]:
    """Return a reader of the project red."""
    with server.client("rita") as client:
        yield client
