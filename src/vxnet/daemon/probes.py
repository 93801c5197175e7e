# SPDX-License-Identifier: Apache-2.0
"""Remotes that are asked by ICMP echo whether their host is there, in the daemon's loop.

    Probe (what is desired) --follow--> sessions --ask--> Echo --> underlay
                                           ^                          |
                                           '------- hear <------------'

A reply counts if it comes from the remote that was asked, and has what was sent there: a number that is waited for, and
eight bytes that nobody guesses who did not see the request. Whoever has seen one could answer it a thousand times: the
mark by which the kernel knows replies is then made anew, and what follows does not come here.

It proves the way to the host and back, not that it takes VXLAN. A remote is dead when it has answered before and does
not any more.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from typing import TYPE_CHECKING

from vxnet import probe
from vxnet.daemon.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container

    from vxnet.daemon.control import Remote
    from vxnet.daemon.echo import Echo, Reply
    from vxnet.model import IPAddress, Probe, Vtep

log = logging.getLogger("vxnetd")

_SECRET = 8
_ENOUGH = 100
"""Replies that nobody waits for, until there is another mark."""
_JITTER = 0.25
"""By as much of an interval who has not answered is asked sooner: a reply that meets a new mark is lost, and whose are
asked in the same instant must not lose each of them. Not all remotes: those that share an instant share its cost."""
_MILLISECONDS = 1e3


class _Peer(Peer):
    """A remote: its session, and what only it is told."""

    def __init__(self, address: IPAddress, session: probe.Session, now: float, *, dead: bool) -> None:
        super().__init__(address, now, dead=dead)
        self.session = session
        self.secret = secrets.token_bytes(_SECRET)


class Probes:
    """All of them. ``changed`` is called when other remotes are dead than before."""

    def __init__(self, echo: Echo, changed: Callable[[], None]) -> None:
        self._echo = echo
        self._changed = changed
        self._wasted = 0  # replies that nobody waited for, since there is this mark
        self._peers: dict[IPAddress, _Peer] = {}
        self._locals: dict[int, IPAddress] = {}
        self._wanted: Probe | None = None

    @property
    def dead(self) -> frozenset[IPAddress]:
        """The remotes that have answered and do not any more."""
        return frozenset(peer.address for peer in self._peers.values() if peer.dead)

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """The remotes that are asked."""
        return frozenset(self._peers)

    def remotes(self) -> dict[IPAddress, Remote]:
        """Return what there is to say of each, for people."""
        now = asyncio.get_running_loop().time()
        return {
            peer.address: peer.told(now, "probe", "up" if peer.session.up else "down") for peer in self._peers.values()
        }

    # ---- what is desired ----

    def follow(
        self, wanted: Probe | None, vtep: Vtep | None, remotes: Collection[IPAddress], dead: Container[IPAddress]
    ) -> None:
        """Ask these remotes from the VTEP. ``dead``: who is to be taken for dead until it answers."""
        if wanted is None or vtep is None:
            wanted, remotes = None, ()
        self._locals = {address.version: address for address in (vtep.local6, vtep.local) if address} if vtep else {}
        for address in self._peers.keys() - set(remotes):
            self._peers.pop(address).stop()
        if (wanted is None) != (self._wanted is None):
            self._listen(to=wanted is not None)
            for version, why in self._echo.missing.items() if wanted else ():
                log.warning("remotes of IPv%d cannot be probed: vxnetd had no socket for ICMP: %s", version, why)
        again = wanted != self._wanted
        self._wanted = wanted
        if wanted is None:
            return
        now = asyncio.get_running_loop().time()
        for address in remotes:
            peer = self._peers.get(address)
            if peer is None:
                session = probe.Session(detect_mult=wanted.detect_mult)
                self._peers[address] = peer = _Peer(address, session, now, dead=address in dead)
                self._schedule(peer, random.random())  # noqa: S311  (not all at once)
            elif again:
                peer.session = probe.retimed(peer.session, wanted.detect_mult)
                self._schedule(peer, random.random())  # noqa: S311

    def stop(self) -> None:
        """End all of it, for good."""
        self.follow(None, None, (), ())
        self._echo.close()

    def _listen(self, *, to: bool) -> None:
        loop = asyncio.get_running_loop()
        self._echo.listen(to=to)
        for fileno in self._echo.filenos:
            if to:
                loop.add_reader(fileno, self._hear)
            else:
                loop.remove_reader(fileno)

    # ---- what is asked, and answered ----

    def _schedule(self, peer: _Peer, part: float | None = None) -> None:
        """Have it asked after an interval, or ``part`` of one."""
        peer.stop()
        if self._wanted:
            if part is None:
                part = 1 - _JITTER * random.random() if peer.session.missed > 1 else 1  # noqa: S311  (jitter)
            wait = part * self._wanted.interval / _MILLISECONDS
            peer.next = asyncio.get_running_loop().call_later(wait, self._ask, peer)

    def _ask(self, peer: _Peer) -> None:
        if peer.session.up and not probe.asked(peer.session).up:
            self._hear()  # what has arrived while this process had to wait for its turn
        self._put(peer, probe.asked(peer.session))
        source = self._locals.get(peer.address.version)
        number = peer.session.number
        if source and self._echo.ask(peer.address, source, number, peer.secret):
            peer.sent += 1
        self._schedule(peer)

    def _hear(self) -> None:
        for reply in self._echo.hear():
            peer = self._peers.get(reply.remote)
            if peer is None or not self._takes(peer, reply):
                self._wasted += 1
        if self._wasted >= _ENOUGH:
            self._wasted = 0
            self._echo.renew()

    def _takes(self, peer: _Peer, reply: Reply) -> bool:
        right = secrets.compare_digest(reply.payload, peer.secret)
        after = probe.answered(peer.session, reply.number) if right else None
        if after is None:
            peer.discarded += 1
            return False
        peer.received += 1
        self._put(peer, after)
        return True

    def _put(self, peer: _Peer, after: probe.Session) -> None:
        """Let the session be ``after``, with all that follows."""
        before, peer.session = peer.session, after
        was_dead, peer.dead = peer.dead, not after.up and (before.up or peer.dead)
        if after.up != before.up:
            peer.since = asyncio.get_running_loop().time()
            if after.up:
                log.info("remote %s: up: it answers", peer.address)
            else:
                peer.downs += 1
                log.warning("remote %s: dead: it does not answer any more", peer.address)
        if peer.dead != was_dead:
            self._changed()
