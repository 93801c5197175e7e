# SPDX-License-Identifier: Apache-2.0
"""A real server of the API in a thread: uvicorn on loopback, a store, users and tokens in it."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeVar

import httpx
import uvicorn

from vxnet.cluster.hub import Hub
from vxnet.cluster.liveness import Liveness
from vxnet.cluster.opened import opened
from vxnet.cluster.records import Token, User
from vxnet.cluster.secrets import hash_password, new_token, token_digest
from vxnet.cluster.writing import Cluster, Decision, transaction
from vxnet.lab.wait import wait_until
from vxnet.server.agents import Agents
from vxnet.server.app import create_app
from vxnet.server.beats import Beats
from vxnet.server.identity import Identity
from vxnet.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, Self

    from vxnet.cluster.keys import Kept
    from vxnet.cluster.records import Role

T = TypeVar("T")

CALLERS: Final[dict[str, tuple[str, Role]]] = {
    "root": ("operators", "admin"),
    "alice": ("red", "member"),
    "bob": ("blue", "member"),
    "rita": ("red", "reader"),
}
"""Each caller's project and role."""

PASSWORD: Final = "not a secret"  # noqa: S105  (it is none)


class ApiServer:
    """The server; in a ``with`` block it runs. ``tokens``: of each of `CALLERS`, and of the agent of ``h1``."""

    def __init__(self, store: str, settings: Settings | None = None) -> None:
        self._store = store
        self._settings = settings or Settings()
        # asyncio sends at once (TCP_NODELAY) only where the protocol is named.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.tokens = {name: new_token() for name in (*CALLERS, "agent")}
        self._loop = asyncio.new_event_loop()
        self._http: uvicorn.Server | None = None
        self._cluster: Cluster | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Start, and wait until it serves."""
        self._thread.start()
        wait_until(lambda: (self._http is not None and self._http.started) or not self._thread.is_alive())
        assert self._thread.is_alive(), "the server ended before it served"
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._http:
            self._http.should_exit = True
        self._thread.join()

    @property
    def cluster(self) -> Cluster:
        """The cluster as the server has it."""
        assert self._cluster is not None
        return self._cluster

    def client(self, name: str) -> httpx.Client:
        """Return a client that asks as one of `CALLERS`, or as ``agent``."""
        return httpx.Client(base_url=self.url, headers={"X-Auth-Token": self.tokens[name]}, timeout=30)

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine, run in the server's loop."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def put(self, *records: Kept) -> None:
        """Write records as another server or an agent would."""
        self.run(self.cluster.write(lambda replica: Decision(transaction(replica, put=records), None)))

    # ---- the thread ----

    def _run(self) -> None:
        with closing(self._loop), self._socket:
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async with opened(self._store, create=True) as cluster:
            self._cluster = cluster
            accounts = self._accounts()
            await cluster.write(lambda replica: Decision(transaction(replica, put=accounts), None))
            liveness = Liveness(cluster.replica)
            cluster.observe(liveness)
            with closing(Identity(lambda: cluster.replica, cluster.fresh)) as identity:
                agents = Agents(cluster, Hub(cluster.replica), Beats(cluster, liveness))
                app = create_app(cluster, liveness, identity, self._settings, agents.routes())
                config = uvicorn.Config(app, log_config=None, lifespan="off", http="h11", ws="none")
                self._http = uvicorn.Server(config)
                await self._http.serve([self._socket])

    def _accounts(self) -> list[Kept]:
        accounts: list[Kept] = [Token(digest=token_digest(self.tokens["agent"]), name="h1", host="h1")]
        hashed = hash_password(PASSWORD)
        for name, (project, role) in CALLERS.items():
            accounts.append(User(name, project, role, hashed))
            accounts.append(Token(digest=token_digest(self.tokens[name]), name=name, project_id=project, role=role))
        return accounts
