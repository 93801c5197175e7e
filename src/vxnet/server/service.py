# SPDX-License-Identifier: Apache-2.0
"""The server's process, from its start to its end.

    1. the address, the certificate, the SQLite file's lock: ours, or an error at once
    2. the store: asked again and again while it is away        READY
    3. tasks: follow the store . write heartbeats . compact . HTTP . say that we live (WATCHDOG)
    4. SIGTERM, SIGINT: STOPPING; agents' streams end, they go to another server; requests under way are answered

SIGHUP: the certificate's files are read anew. A task that dies takes the others with it, and its words are the
process's last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import uuid
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

import uvicorn

from vxnet.cluster.hub import Hub
from vxnet.cluster.keys import key_of
from vxnet.cluster.liveness import Liveness
from vxnet.cluster.migrate import prepare
from vxnet.cluster.opened import sqlite_file
from vxnet.cluster.records import Server
from vxnet.cluster.times import now
from vxnet.cluster.writing import Cluster, Decision, transaction
from vxnet.daemon.notify import notify
from vxnet.errors import VxnetError
from vxnet.server import compaction
from vxnet.server.agents import Agents
from vxnet.server.app import create_app
from vxnet.server.beats import Beats
from vxnet.server.holding import held
from vxnet.server.identity import Identity
from vxnet.server.journal import Journal
from vxnet.server.listening import Certificate, bound, is_local, url_of
from vxnet.server.revocation import Revocation
from vxnet.store.base import StoreError, Transaction
from vxnet.store.open import open_store

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from vxnet.cluster.replica import Replica
    from vxnet.server.options import Options

log = logging.getLogger("vxnet-server")

GRACE: Final = 5
"""Seconds that requests under way have once the server is told to end."""

_FAREWELL = 2.0
"""Seconds to take this server out of the store's list when it ends."""

_PAUSE = 1.0
"""Seconds between attempts to reach the store at the start."""


class _Http(uvicorn.Server):
    """uvicorn in a loop and process that are not its own. ``listens`` is set once it does."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.listens.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service."""
        yield


class Service:
    """One server."""

    def __init__(self, options: Options) -> None:
        """Take the address and read the certificate. HostError or ConfigError if that cannot be."""
        self._options = options
        self._certificate = Certificate(options.tls) if options.tls else None
        self._socket = bound(options.listen)
        scheme = "https" if options.tls else "http"
        self._url = options.settings.public_url or url_of(self._socket, scheme)
        self._http: _Http | None = None
        self._hub: Hub | None = None
        self._stopping = False

    async def run(self) -> None:
        """Serve until told to stop. VxnetError says why it cannot."""
        this = asyncio.current_task()
        assert this is not None  # noqa: S101  (a coroutine is run by a task)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, this)
        loop.add_signal_handler(signal.SIGHUP, self._read_certificate)
        if not self._certificate and not is_local(self._socket):
            log.warning(
                "%s: plain HTTP, and not only this host can reach it: passwords can be read on the way", self._url
            )
        file = sqlite_file(self._options.store)
        try:
            with self._socket, held(file, f"the server at {self._url}") if file else nullcontext():
                cluster = await self._open()
                try:
                    await self._serve(cluster)
                finally:
                    await cluster.store.close()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except BaseExceptionGroup as group:
            raise _first(group) from group

    # ---- the store ----

    async def _open(self) -> Cluster:
        """Open the store. etcd that is away is waited for: it may be starting, too. A file does not come by itself."""
        trouble = ""
        while True:
            try:
                store = await open_store(self._options.store)
                try:
                    await prepare(store)
                    return await Cluster.open(store)
                except BaseException:
                    await store.close()
                    raise
            except StoreError as error:
                if sqlite_file(self._options.store):
                    raise
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("waits for the store: %s", trouble)
                    notify(f"STATUS=waits for the store: {trouble}")
                await asyncio.sleep(_PAUSE)

    # ---- serving ----

    async def _serve(self, cluster: Cluster) -> None:
        liveness = Liveness(cluster.replica)
        self._hub = Hub(cluster.replica)
        cluster.observe(liveness)
        cluster.observe(self._hub)
        cluster.observe(Revocation(self._hub))
        beats = Beats(cluster, liveness)
        with closing(Identity(lambda: cluster.replica, cluster.fresh)) as identity:
            agents = Agents(cluster, self._hub, beats)
            app = create_app(cluster, liveness, identity, self._options.settings, agents.routes())
            self._http = http = self._uvicorn(Journal(app))
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(cluster.run()),
                    group.create_task(beats.run()),
                    group.create_task(compaction.run(cluster)),
                    group.create_task(self._announce(cluster, http)),
                    group.create_task(_watchdog()),
                ]
                if not self._stopping:
                    await http.serve([self._socket])
                for task in tasks:
                    task.cancel()

    def _uvicorn(self, app: Journal) -> _Http:
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whoever is in front says so in public_url
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE,
        )
        config.load()
        config.ssl = self._certificate.context if self._certificate else None
        return _Http(config)

    async def _announce(self, cluster: Cluster, http: _Http) -> None:
        """Put this server into the store's list for as long as it runs.

        A store that cannot be written now can perhaps be read: it serves, and is put there when that can be.
        """
        me = Server(id=str(uuid.uuid4()), url=self._url, started_at=now())
        alone = sqlite_file(self._options.store) is not None

        def come(replica: Replica) -> Decision[None]:
            # One at our address was killed before it could take itself out; so were all others that had this file.
            gone = [server for server in replica.servers if alone or server.url == me.url]
            return Decision(transaction(replica, put=[me], delete=gone), None)

        try:
            refusal = await _refusal(cluster, come)
            if refusal:
                log.warning("this server is not in the store's list of servers yet: %s", refusal)
            await http.listens.wait()
            log.info("listens on %s, store %s", self._url, cluster.store.url)
            notify(f"READY=1\nSTATUS=listens on {self._url}")
            while refusal:
                await asyncio.sleep(_PAUSE)
                refusal = await _refusal(cluster, come)
            await asyncio.Event().wait()
        finally:
            try:
                async with asyncio.timeout(_FAREWELL):  # not `write`: nobody may follow the store any more
                    await cluster.store.commit(Transaction(writes={key_of(me): None}))
            except (StoreError, TimeoutError) as error:
                log.warning("this server stays in the store's list of servers: %s", error)

    # ---- signals ----

    def _stop(self, this: asyncio.Task[None]) -> None:
        if not self._stopping:
            notify("STOPPING=1")
        self._stopping = True
        if self._http is None or not self._http.started:
            this.cancel()
            return
        self._http.force_exit = self._http.should_exit  # told twice: do not wait for requests
        self._http.should_exit = True
        if self._hub:
            for stream in tuple(self._hub.streams):
                stream.end()

    def _read_certificate(self) -> None:
        if self._certificate:
            try:
                self._certificate.read()
                log.info("the certificate was read anew")
            except VxnetError as error:
                log.error("%s; the old certificate is used", error)  # noqa: TRY400  (its words say it all)


async def _refusal(cluster: Cluster, decide: Callable[[Replica], Decision[None]]) -> str:
    """Write, and return why that cannot be, "" if it was."""
    try:
        await cluster.write(decide)
    except StoreError as error:
        return str(error)
    return ""


async def _watchdog() -> None:
    """Tell systemd that the loop turns, if it asks (sd_watchdog_enabled(3))."""
    period = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6
    while period:
        notify("WATCHDOG=1")
        await asyncio.sleep(period)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what a group of tasks died of."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
