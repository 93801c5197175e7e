# SPDX-License-Identifier: Apache-2.0
"""One server for all tests of the API: real HTTP, a real SQLite file; every test has projects of its own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from vxnet.lab.apiserver import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct horse"  # noqa: S105  (of a test)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run a server whose networks begin at VNI 5001, and its administrator."""
    folder = tmp_path_factory.mktemp("api")
    server = ApiServer(folder, f"sqlite://{folder}/cluster.db", "--vni-range", "5001-9000")
    server.add_user("admin", "admin", "admin", PASSWORD)
    with server:
        yield server


class Asker:
    """Somebody who asks: a user of a project in a role."""

    def __init__(self, server: ApiServer, name: str, project: str) -> None:
        self.name, self.project = name, project
        self._client = httpx.Client(base_url=server.url, auth=(name, PASSWORD), trust_env=False, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send one request."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.request(method, f"/v2.0{path}", json=body, headers=names)

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


@pytest.fixture
def admin(server: ApiServer) -> Asker:
    """Return the administrator."""
    return Asker(server, "admin", "admin")


@pytest.fixture
def member(server: ApiServer) -> Asker:
    """Return a member of a project that nobody else has."""
    return new_member(server)


@pytest.fixture
def other(server: ApiServer) -> Asker:
    """Return a member of another one."""
    return new_member(server)


def new_member(server: ApiServer, role: str = "member", project: str = "") -> Asker:
    """Add a user."""
    name = f"user-{secrets.token_hex(4)}"
    project = project or f"project-{name}"
    server.add_user(name, project, role, PASSWORD)
    return Asker(server, name, project)
