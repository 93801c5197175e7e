# SPDX-License-Identifier: Apache-2.0
"""The agent: one loop between the servers of a cluster and the kernel of this host.

    servers --stream--> View --.
    probes (Liveness) ----------|
    netlink (Watch) ------------+--> turn: Host.bring, one at a time --> kernel
    every 10 seconds ----------'       '--> report, at once when something has changed, and every 5 seconds

Before a server has said what this host is to be, nothing is changed: what an earlier agent has left goes on forwarding.
With no server nothing changes either. Stopping the agent (SIGTERM, SIGINT, a crash) takes nothing away.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from vxnet import __version__
from vxnet.cluster.liveness import INTERVAL
from vxnet.cluster.messages import Audit, Report
from vxnet.cluster.times import now
from vxnet.daemon.agent.details import details, find
from vxnet.daemon.agent.host import Host
from vxnet.daemon.control import LOG, Done, Down, ListPorts, LookUp, Ports, Quit, Running, Status, Up, Waiting
from vxnet.daemon.listening import control_socket, progress, same_netns
from vxnet.daemon.liveness import Liveness
from vxnet.daemon.logfile import trim
from vxnet.daemon.notify import notify
from vxnet.daemon.rundir import claim
from vxnet.daemon.watch import Watch
from vxnet.errors import ControlError, VxnetError
from vxnet.sources.cluster.desired import DEFAULTS, device_name
from vxnet.sources.cluster.view import View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.cluster.messages import LocalPort, Segment
    from vxnet.daemon.agent.host import Seen
    from vxnet.daemon.control import Answer, Details, Request
    from vxnet.daemon.echo import Echo
    from vxnet.model import IPAddress
    from vxnet.sources.cluster.desired import Settings
    from vxnet.sources.cluster.stream import Servers

log = logging.getLogger("vxnet-agent")

LOOK: Final = 10.0
"""Seconds between looks at what the kernel really holds, and between sweeps of the FDB."""

_CALM = 0.5
"""Seconds without an event until the kernel is read back: it is quick to say, and slow to ask, what has changed."""


class Service:
    """One agent: one host of a cluster, one run directory."""

    def __init__(
        self,
        servers: Servers,
        name: str,
        local: IPAddress,
        run_dir: Path,
        *,
        echo: Echo,
        settings: Settings = DEFAULTS,
    ) -> None:
        """Claim the run directory and adopt what is in the kernel. ControlError if another daemon has it.

        ``echo`` is what remotes are probed with, where the settings say so.
        """
        self._run_dir = run_dir
        self._claim = claim(run_dir)
        self._servers = servers
        self._name = name
        self._local = local
        self._host = Host(run_dir, local, settings)
        self._view = View()
        self._watch = Watch()
        self._busy = asyncio.Lock()
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._stirred = asyncio.Event()
        self._told = False
        self._links_changed = self._look_due = True
        self._seen: Seen | None = None
        self._started_at = now()
        self._ready = False
        self._others_dead = asyncio.Event()
        self._liveness = Liveness(echo, self._others_dead.set)

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with control_socket(self._run_dir, self._answer), asyncio.TaskGroup() as tasks:
            what_happens = (self._watch.run(), self._follow(), self._listen(), self._mourn())
            what_is_done = (self._keep(), self._look(), self._report())
            jobs = [tasks.create_task(job) for job in (*what_happens, *what_is_done)]
            await self._stop.wait()
            notify("STOPPING=1")
            self._liveness.stop()
            for job in jobs:
                job.cancel()
        await self._servers.close()

    # ---- what happens ----

    async def _listen(self) -> None:
        """Take what the servers say."""
        async for message in self._servers.messages(self._view):
            if isinstance(message, Audit):
                await self._audit(message.id)
            elif self._view.apply(message):
                self._told = True
                self._wake.set()

    async def _follow(self) -> None:
        """Take what netlink says: devices at once, and the kernel is read back once it is calm again."""
        while True:
            await self._watch.changed.wait()
            links, ways = self._watch.take()
            if links:
                self._links_changed = True
                self._wake.set()
                self._stirred.set()
            if links or ways:
                await self._do(self._host.touch)

    async def _mourn(self) -> None:
        """Take what probes say."""
        while True:
            await self._others_dead.wait()
            self._others_dead.clear()
            self._host.dead = self._liveness.dead
            self._wake.set()

    async def _look(self) -> None:
        """Read the kernel back when it is calm again after events, and from time to time anyway; then sweep too."""
        due = time.monotonic() + LOOK
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._stirred.wait()
                    while self._stirred.is_set():
                        self._stirred.clear()
                        await asyncio.sleep(_CALM)
            await self._read_back()
            if time.monotonic() >= due:
                due = time.monotonic() + LOOK
                await self._do(self._host.sweep)
                trim(self._run_dir / LOG)

    async def _read_back(self) -> None:
        """Look at the kernel beside what is being done; when that gets in the way, it is done in its turn."""
        try:
            self._seen = await asyncio.to_thread(self._host.read)
        except (VxnetError, OSError, LookupError) as error:
            log.info("the kernel is read once more: %s", error)
            self._look_due = True
        self._links_changed = True
        self._wake.set()

    # ---- what is done ----

    async def _keep(self) -> None:
        """Bring the host to what was said last, whenever something has changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._turn()
            self._news.set()
            if not self._ready and self._host.outcome.revision >= 0 and not self._host.outcome.trouble:
                self._ready = True
                notify("READY=1")

    async def _turn(self) -> None:
        """Bring the host to what is said, if anything is, at the moment in which it is this one's turn."""

        def work() -> None:
            links, self._links_changed = self._links_changed, False
            look, self._look_due = self._look_due, False
            seen, self._seen = self._seen, None
            if links:
                self._host.look_around()
            if seen and not self._host.is_current(seen):
                seen, look = None, True
            self._host.bring(segments, revision, look=look, seen=None if look else seen)

        async with self._busy:
            if self._told:
                # Read here, where nobody else changes it meanwhile.
                segments, revision = tuple(self._view.segments()), self._view.revision
                await self._try(work)
                self._liveness.follow(self._host.desired, None, self._host.dead)

    async def _do(self, work: Callable[[], None]) -> None:
        """Do one thing at a time."""
        async with self._busy:
            await self._try(work)

    async def _try(self, work: Callable[[], None]) -> None:
        """Do it without holding up the loop. When it fails it is tried again at the next look."""
        try:
            await asyncio.to_thread(work)
        except (VxnetError, OSError) as error:
            self._look_due = True
            log.error("%s", error)  # noqa: TRY400  (its words say it all)

    # ---- what is said ----

    async def _report(self) -> None:
        """Tell the server which ports forward, at once when others do, and as a sign of life."""
        taken: Report | None = None
        due = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._news.wait()
            self._news.clear()
            late = time.monotonic() >= due
            if late:
                due = time.monotonic() + INTERVAL
            report = self._what_forwards()
            # Most turns change nothing that the server has to know: they follow from what others do.
            news = report and (taken is None or report != msgspec.structs.replace(taken, revision=report.revision))
            if report and (late or news):
                taken = report if await self._servers.report(report) else None

    def _what_forwards(self) -> Report | None:
        """Return what is to be said of this host; None before anything is known of it."""
        outcome = self._host.outcome
        if outcome.revision < 0 or not self._host.underlay_mtu:
            return None
        return Report(
            revision=outcome.revision,
            local=str(self._local),
            underlay_mtu=self._host.underlay_mtu,
            version=__version__,
            started_at=self._started_at,
            active=tuple(sorted(outcome.active)),
        )

    async def _audit(self, question: str) -> None:
        """Bring the host to all that was said before the question, and answer with what the kernel then holds."""
        self._look_due = self._links_changed = True
        await self._turn()
        try:
            async with self._busy:
                held = await asyncio.to_thread(self._host.held)
        except (VxnetError, OSError) as error:
            log.error("what the kernel holds cannot be told: %s", error)  # noqa: TRY400  (its words say it all)
            return
        await self._servers.answer(question, held)

    # ---- the control socket ----

    async def _answer(self, request: Request, tell: Callable[[Answer], None]) -> Answer:
        match request:
            case Up():
                message = (
                    f"this host is {self._name} of a cluster, served by vxnet agent (pid {os.getpid()}); "
                    "a host file is for hosts of none: `vxnet down` takes this one out"
                )
                raise ControlError(message)
            case Down(caller):
                same_netns(caller, self._run_dir)
                self._told = False
                async with self._busy:
                    await asyncio.to_thread(self._host.down, progress(tell))
                    self._liveness.follow(self._host.desired, None, self._host.dead)
                self._stop.set()
            case Quit():
                self._stop.set()
            case Status():
                return self._running()
            case LookUp(asked):
                return self._details(*find(self._ports(), asked, self._name))
            case ListPorts():
                return Ports(tuple(self._details(*port) for port in sorted(self._ports(), key=lambda port: port[1].id)))
        return Done()

    def _running(self) -> Running:
        ports = {port.id: (device_name(port.id), segment.id) for segment, port in self._view.local_ports()}
        outcome = self._host.outcome
        waiting = (Waiting(*ports.get(port, (port, "")), why) for port, why in outcome.waiting.items())
        return Running(os.getpid(), tuple(waiting), outcome.trouble or self._servers.trouble, self._liveness.remotes())

    def _ports(self) -> list[tuple[Segment, LocalPort]]:
        """Return the ports bound to this host. ControlError if nobody has said yet which they are."""
        if not self._told:
            raise ControlError(f"no server has said yet what this host is to be; {self._servers.trouble or 'wait'}")
        return list(self._view.local_ports())

    def _details(self, segment: Segment, port: LocalPort) -> Details:
        outcome = self._host.outcome
        waits_for = outcome.waiting.get(port.id, "" if port.id in outcome.active else "the agent")
        return details(segment, port, outcome.devices.get(port.id, device_name(port.id)), waits_for)
