# SPDX-License-Identifier: Apache-2.0
"""The daemon itself: one loop that serves the control socket, follows netlink, and sweeps.

    control socket ---.
    netlink (Watch) ---+--> one at a time --> Keeper --> kernel
    every 10 seconds --+
    every second ------|
    BFD, probes -------'   (Liveness)

Stopping it (SIGTERM, SIGINT, a crash) takes nothing away: the kernel goes on forwarding, and the next vxnetd adopts it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Final

from vxnet.daemon.control import LOG, Done, Down, ListPorts, LookUp, Quit, Running, Status, Up, Waiting
from vxnet.daemon.keeper import Keeper
from vxnet.daemon.listening import control_socket, progress, same_netns
from vxnet.daemon.liveness import Liveness
from vxnet.daemon.logfile import trim
from vxnet.daemon.lookout import LOOK
from vxnet.daemon.notify import notify
from vxnet.daemon.rundir import claim
from vxnet.daemon.watch import Watch
from vxnet.errors import ControlError, VxnetError
from vxnet.sources import hostfile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.daemon.control import Answer, Request
    from vxnet.daemon.echo import Echo
    from vxnet.model import HostState

log = logging.getLogger("vxnetd")

SWEEP: Final = 10.0
"""Seconds between sweeps, as in the kernel's VXLAN device."""

_SETTLE = 0.05


class Server:
    """One daemon on one run directory."""

    def __init__(self, run_dir: Path, echo: Echo) -> None:
        """Claim the run directory; ``echo`` is what remotes are probed with. ControlError if another daemon has it."""
        self._run_dir = run_dir
        self._claim = claim(run_dir)
        self._keeper = Keeper(run_dir)
        self._watch = Watch()
        self._busy = asyncio.Lock()
        self._stop = asyncio.Event()
        self._ready = False
        self._failing: dict[str, str] = {}  # what nobody asked for and has failed, and what it said
        self._others_dead = asyncio.Event()
        self._liveness = Liveness(echo, self._others_dead.set)

    async def run(self, desired: HostState | None) -> None:
        """Serve until told to stop. With ``desired``, bring the host there first, as far as its devices allow."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with control_socket(self._run_dir, self._answer), asyncio.TaskGroup() as tasks:
            if desired:
                await self._do(lambda: self._keeper.start(desired))
            self._tell_ready()
            work = (self._watch.run(), self._follow(), self._sweep(), self._look_out(), self._mourn())
            jobs = [tasks.create_task(job) for job in work]
            await self._stop.wait()
            notify("STOPPING=1")
            self._liveness.stop()
            for job in jobs:
                job.cancel()

    async def _do(self, work: Callable[[], None]) -> None:
        """Let the keeper do one thing at a time, without holding up the loop."""
        async with self._busy:
            try:
                await asyncio.to_thread(work)
            finally:
                voice = await asyncio.to_thread(self._keeper.voice, self._liveness.voice)
                self._liveness.follow(self._keeper.desired, voice, self._keeper.dead)

    def _tell_ready(self) -> None:
        """Tell systemd, once, as soon as the host forwards."""
        if not self._ready and not self._keeper.trouble:
            self._ready = True
            notify("READY=1")

    async def _follow(self) -> None:
        while True:
            await self._watch.changed.wait()
            await asyncio.sleep(_SETTLE)  # events come in bursts; one look serves all of them
            links, ways = self._watch.take()
            if links:
                await self._tend(self._keeper.repair)
            if links or ways:
                await self._tend(self._keeper.touch)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            await self._tend(self._keeper.sweep)
            await self._tend(lambda: trim(self._run_dir / LOG))
            await self._tend(self._keeper.repair)

    async def _look_out(self) -> None:
        pause = LOOK
        while True:
            await asyncio.sleep(pause)
            begin = time.process_time()
            await self._tend(self._keeper.look_out)
            # Who makes MACs up makes it longer; he is not to have more than a tenth of a CPU by that.
            pause = max(LOOK, 9 * (time.process_time() - begin))

    async def _mourn(self) -> None:
        while True:
            await self._others_dead.wait()
            self._others_dead.clear()
            dead = self._liveness.dead
            await self._tend(lambda dead=dead: self._keeper.take_for_dead(dead))  # type: ignore[misc]

    async def _tend(self, work: Callable[[], None]) -> None:
        """Do what nobody asked for: when it fails the log is told, once, and the next time it may not."""
        try:
            await self._do(work)
        except (VxnetError, OSError) as error:
            if self._failing.get(work.__qualname__) != str(error):
                log.error("%s", error)  # noqa: TRY400  (its words say it all)
            self._failing[work.__qualname__] = str(error)
        else:
            self._failing.pop(work.__qualname__, None)
        self._tell_ready()

    # ---- the control socket ------------------------------------------------------------------------------------

    async def _answer(self, request: Request, tell: Callable[[Answer], None]) -> Answer:
        step = progress(tell)
        match request:
            case Up(state, caller):
                same_netns(caller, self._run_dir)
                hostfile.vouch(state)
                self._liveness.close_all_but(state.bfd.remotes if state.bfd else ())
                await self._do(lambda: self._keeper.bring(state, step))
            case Down(caller):
                same_netns(caller, self._run_dir)
                self._liveness.close_all_but(())
                await self._do(lambda: self._keeper.down(step))
                self._stop.set()
            case Quit():
                self._stop.set()
            case Status():
                return self._running()
            case LookUp() | ListPorts():
                message = (
                    f"this host is described by a file, not by a cluster: vxnetd of {self._run_dir} knows no ports"
                )
                raise ControlError(message)
        return Done()

    def _running(self) -> Running:
        waiting = (Waiting(port.device, port.segment, why) for port, why in self._keeper.waiting.items())
        return Running(os.getpid(), tuple(waiting), self._keeper.trouble, self._liveness.remotes())
