# SPDX-License-Identifier: Apache-2.0
"""The daemon: one loop between the database and the kernel.

    ovsdb-server --.                                            .--> plan --> kernel
    netlink -------+--> turn: rows + devices --> desired state -'       |
    every 10 s ----'      |                                             v
                          '<-- results and cur_cfg, one transaction <-- what works, what does not

Nothing is changed before the whole database is here and its lock is ours, nor while the server is away. Stopping the
daemon (SIGTERM, SIGINT, a crash) takes nothing away: the kernel goes on forwarding, and the next one adopts it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from ovs.poller import Poller

from vxnet.daemon.control import LOG, PIDFILE
from vxnet.daemon.logfile import trim
from vxnet.daemon.notify import notify
from vxnet.daemon.ovs.frames import frames
from vxnet.daemon.ovs.linktable import LinkTable, counters
from vxnet.daemon.rundir import claim
from vxnet.daemon.switch import Switch
from vxnet.daemon.watch import Watch
from vxnet.errors import VxnetError
from vxnet.sources.ovsdb import results, status
from vxnet.sources.ovsdb.connection import Connection
from vxnet.sources.ovsdb.desired import Wanted, desired
from vxnet.sources.ovsdb.numbers import setting
from vxnet.sources.ovsdb.ofports import Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vxnet.sources.ovsdb.rows import Database

log = logging.getLogger("vxnetd")

LOOK: Final = 10.0
"""Seconds between looks at the kernel when nothing tells of a change, and between sweeps of the FDB."""

_SETTLE = 0.02
"""Seconds to wait for the rest of a burst of netlink messages."""

_AGAIN = 1.0
"""Seconds until what could not be written is tried again."""

_LEAST_STATISTICS = 5000
"""Milliseconds between updates of the statistics, at least, as in Open vSwitch."""


class Service:
    """One daemon: one database, one run directory."""

    def __init__(self, remote: str, run_dir: Path) -> None:
        """Claim the run directory. ControlError if another daemon has it."""
        self._run_dir = run_dir
        self._claim = claim(run_dir)
        self._connection = Connection(remote)
        self._switch: Switch | None = None
        self._table = LinkTable()
        self._numbers = Numbers()
        self._watch = Watch()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = self._ready = self._contended = False
        self._links_changed = self._ways_changed = True
        self._seqno = -1
        self._look_at = self._count_at = self._sweep_at = 0.0
        self._serving = False
        self._wanted, self._broken = Wanted(), dict[str, str]()
        self._said: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Serve until told to stop."""
        pidfile = self._run_dir / PIDFILE
        pidfile.write_text(f"{os.getpid()}\n")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        failure: VxnetError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                jobs = [tasks.create_task(job) for job in (self._watch.run(), self._follow())]
                try:
                    while not self._stopping:
                        await asyncio.to_thread(self._turn)
                        await asyncio.to_thread(self._sleep)
                except VxnetError as error:
                    failure = error  # out of the group's hands, which would wrap it
                finally:
                    self._stop()  # the thread that sleeps must not be waited for
                    for job in jobs:
                        job.cancel()
        finally:
            notify("STOPPING=1")
            self._connection.close()
            pidfile.unlink(missing_ok=True)
        if failure:
            raise failure

    def _stop(self) -> None:
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    async def _follow(self) -> None:
        """Mark what netlink tells of, and end the sleep."""
        while True:
            await self._watch.changed.wait()
            await asyncio.sleep(_SETTLE)
            links, ways = self._watch.take()
            self._links_changed |= links
            self._ways_changed |= links or ways
            os.eventfd_write(self._wake, 1)

    def _sleep(self) -> None:
        """Wait until the server has sent something, something was marked, or it is time."""
        poller = Poller()
        self._connection.wait(poller)
        poller.fd_wait(self._wake, select.POLLIN)
        if self._switch:
            due = min(self._sweep_at, self._look_at, self._count_at) if self._serving else self._sweep_at
            poller.timer_wait(max(0, int(1000 * (due - time.monotonic()))))
        poller.block()
        if select.select([self._wake], [], [], 0)[0]:
            os.eventfd_read(self._wake)

    # --- one turn ---------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Do what there is to do."""
        self._connection.run()
        self._tell_contended()
        ways, self._ways_changed = self._ways_changed, False
        if ways:
            self._table.forget_ways()
        database = self._connection.database()
        self._serving = database is not None
        if database and not self._stopping:
            self._serve(database, ways=ways)
        if self._switch and not self._connection.contended:
            self._tend(self._switch, ways=ways)

    def _serve(self, database: Database, *, ways: bool) -> None:
        """Follow the database; ``ways``: the routes to remotes may have changed."""
        if self._switch is None:
            self._switch = Switch(self._run_dir)
        if self._connection.seqno != self._seqno or self._links_changed or time.monotonic() >= self._look_at:
            self._reconfigure(database, self._switch)
        elif ways:
            self._write(database)
        if time.monotonic() >= self._count_at:
            self._count(database)

    def _reconfigure(self, database: Database, switch: Switch) -> None:
        """Bring the kernel to what the rows say, and write back what came of it."""
        self._seqno = self._connection.seqno
        self._look_at = time.monotonic() + LOOK
        self._links_changed = False
        self._table.read()
        wanted = desired(database, self._table.links)
        self._say(wanted.notes)
        changes, failures = switch.bring(wanted.state)
        if changes:
            self._table.read()
        self._wanted, self._broken = wanted, results.errors(wanted, failures)
        self._write(database)

    def _write(self, database: Database) -> None:
        """Write the results and cur_cfg in one transaction. If that cannot be, all is looked at again in a moment."""
        tunnels = self._wanted.state.tunnels
        egress = self._table.egress(tunnel.remote for tunnel in tunnels if tunnel.remote)
        rows = [
            *results.results(self._wanted, self._broken, self._numbers, self._table.links, egress),
            *results.statistics(self._wanted, self._broken, {}, {}),
        ]
        self._connection.forget({*(uuid for _, uuid, _ in rows), *filter(None, [database.uuid])})
        operations: list[dict[str, Any]] = []
        known = self._connection.written("Interface", "statistics")
        for table, uuid, columns in rows:
            # The statistics of what has some are kept fresh by `_count`.
            if columns.keys() != {"statistics"} or uuid not in known:
                self._connection.write(table, uuid, columns, operations)
        if database.uuid:
            columns = {**status.of_switch(database, self._connection.db_version), "cur_cfg": database.next_cfg}
            self._connection.write("Open_vSwitch", database.uuid, columns, operations)
        if not self._connection.commit(operations):
            self._look_at = time.monotonic() + _AGAIN
        elif not self._ready:
            self._ready = True
            notify("READY=1")
            log.info("serving %d bridges", len(self._wanted.bridges))

    def _count(self, database: Database) -> None:
        """Write the statistics."""
        asked = setting(database.other_config.get("stats-update-interval", ""))
        interval = max(_LEAST_STATISTICS, asked)
        self._count_at = time.monotonic() + interval / 1000
        operations: list[dict[str, Any]] = []
        counted = results.statistics(self._wanted, self._broken, frames(self._run_dir), counters())
        for table, uuid, columns in counted:
            self._connection.write(table, uuid, columns, operations)
        self._connection.commit(operations)

    def _tend(self, switch: Switch, *, ways: bool) -> None:
        """Do what needs no database: void flows whose way has changed, and free what has aged out."""
        if ways:
            switch.touch()
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + LOOK
            switch.sweep()
            trim(self._run_dir / LOG)

    def _tell_contended(self) -> None:
        """Say that somebody else serves the database, in the words of Open vSwitch, and that they have gone."""
        contended = self._connection.contended
        if contended and not self._contended:
            words = f"another ovs-vswitchd process is running, disabling this process (pid {os.getpid()}) until it goes"
            words += " away"
            log.error("%s", words)
            notify(f"STATUS={words}")
        self._contended = contended

    def _say(self, notes: Iterable[str]) -> None:
        """Log each note once, as long as it stands."""
        for note in sorted(set(notes) - self._said):
            log.warning("%s", note)
        self._said = frozenset(notes)
