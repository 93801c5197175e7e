# SPDX-License-Identifier: Apache-2.0
"""One server for all tests of the API: real HTTP, a real SQLite file; every test has projects of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from vxnet.cluster import accounts
from vxnet.cluster.opened import opened
from vxnet.cluster.records import Token
from vxnet.cluster.secrets import new_token, token_digest
from vxnet.lab.apiserver import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.records import Role

PASSWORD = "correct horse"  # noqa: S105  (of a test)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run a server whose networks begin at VNI 5001, and its administrator."""
    folder = tmp_path_factory.mktemp("api")
    server = ApiServer(folder, f"sqlite://{folder}/cluster.db", "--vni-range", "5001-9000")
    server.add_user("admin", "admin", "admin", PASSWORD)
    with server:
        yield server


@pytest.fixture(scope="session")
def client(server: ApiServer) -> Iterator[httpx.Client]:
    """Return a client that says nothing of who asks."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        yield client


class Asker:
    """Somebody who asks: a token of a project in a role."""

    def __init__(self, server: ApiServer, client: httpx.Client, role: Role = "member", project: str = "") -> None:
        self.project = project or f"project-{secrets.token_hex(4)}"
        text = new_token()
        digest = token_digest(text)
        token = Token(digest=digest, name=digest, project_id=self.project, role=role)

        async def add() -> None:
            async with opened(server.store) as cluster:
                await cluster.write(lambda replica: accounts.add_token(replica, token))

        asyncio.run(add())
        self._client = client
        self._token = {"X-Auth-Token": text}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send one request."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.request(method, f"/v2.0{path}", json=body, headers=names | self._token)

    def post(self, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
        """Send a body as it is."""
        return self._client.post(f"/v2.0{path}", content=content, headers=self._token)

    def make(self, kind: str, **attributes: Any) -> dict[str, Any]:
        """Create one resource and return it."""
        answer = self.ask("POST", f"/{kind}s", {kind: attributes})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()[kind]
        return made

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Return the status and type of a Neutron error, which has a message."""
        answer = self.ask(method, path, body, **headers)
        assert answer.is_error, answer.text
        error = answer.json()["NeutronError"]
        assert error["message"]
        assert error["detail"] == ""
        return answer.status_code, error["type"]


Joins = Callable[..., Asker]


@pytest.fixture
def joins(server: ApiServer, client: httpx.Client) -> Joins:
    """Return what makes somebody: ``joins("reader", project)``."""
    return lambda role="member", project="": Asker(server, client, role, project)


@pytest.fixture
def admin(joins: Joins) -> Asker:
    """Return an administrator."""
    return joins("admin", "admin")


@pytest.fixture
def member(joins: Joins) -> Asker:
    """Return a member of a project that nobody else has."""
    return joins()


@pytest.fixture
def other(joins: Joins) -> Asker:
    """Return a member of another one."""
    return joins()
