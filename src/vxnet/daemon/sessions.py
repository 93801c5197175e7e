# SPDX-License-Identifier: Apache-2.0
"""Which remotes are there: a BFD session with each of them, in the daemon's loop (RFC 5880, RFC 8971).

    Bfd (what is desired) --follow--> sessions --say--> management VNI
                                         ^   '--dead--> flood lists (Keeper), where a segment asks for that
    ring buffer --hear--> unframe -------'

A session for each remote, in however many segments it is. A remote is dead when its session was up and is not any more;
one that has never been up may know nothing of BFD, and one whose end was closed (AdminDown) says nothing of the path
(RFC 5882, section 3.2).
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from typing import TYPE_CHECKING

from vxnet import bfd
from vxnet.daemon.peer import Peer
from vxnet.packet.bfd import Bfd as Packet
from vxnet.packet.bfd import State, frame, unframe
from vxnet.packet.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from vxnet.daemon.control import Remote
    from vxnet.datapath.voice import Voice
    from vxnet.model import Bfd, IPAddress

log = logging.getLogger("vxnetd")

_MICROSECONDS = 1e6


class _Peer(Peer):
    """A remote: its session, when it was heard of, and what is due."""

    def __init__(self, address: IPAddress, session: bfd.Session, now: float, *, dead: bool) -> None:
        super().__init__(address, now, dead=dead)
        self.session = session
        self.heard_at = now
        self.spacing: float | None = None  # between packets, without jitter; None: none are wanted
        self.overdue: asyncio.TimerHandle | None = None
        self.framed: tuple[Packet, bytes] | None = None
        self.unframed: tuple[bytes, Packet] | None = None

    def packet_in(self, data: bytes) -> Packet:
        """Return the packet in a frame, most of which are like the one before. MalformedError if there is none."""
        if self.unframed is None or self.unframed[0] != data:
            self.unframed = data, unframe(data)
        return self.unframed[1]

    def stop(self) -> None:
        """Nothing is due any more."""
        super().stop()
        if self.overdue:
            self.overdue.cancel()


class Sessions:
    """All sessions. ``changed`` is called when other remotes are dead than before."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._peers: dict[IPAddress, _Peer] = {}
        self._timing: bfd.Timing | None = None
        self.voice: Voice | None = None

    @property
    def dead(self) -> frozenset[IPAddress]:
        """The remotes that were up and are not any more."""
        return frozenset(peer.address for peer in self._peers.values() if peer.dead)

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """The remotes there are sessions with."""
        return frozenset(self._peers)

    @property
    def heard(self) -> frozenset[IPAddress]:
        """The remotes that have said something, and not last that they close their end."""
        return frozenset(
            peer.address
            for peer in self._peers.values()
            if peer.received and peer.session.remote_state != State.ADMIN_DOWN
        )

    def remotes(self) -> dict[IPAddress, Remote]:
        """Return what there is to say of each, for people."""
        now = asyncio.get_running_loop().time()
        return {
            peer.address: peer.told(now, "bfd", _word(peer.session.state), _word(peer.session.remote_state))
            for peer in self._peers.values()
        }

    # ---- what is desired ----

    def follow(self, desired: Bfd | None, voice: Voice | None, dead: Container[IPAddress]) -> None:
        """Have sessions with these remotes, over ``voice``. ``dead``: who is to be taken for dead until it is heard."""
        if voice is not self.voice:
            self._speak_with(voice)
        if desired is None or voice is None:
            self._end(self._peers)
            return
        self._end(self._peers.keys() - set(desired.remotes))
        timing = bfd.Timing(min_tx=desired.min_tx * 1000, min_rx=desired.min_rx * 1000, detect_mult=desired.detect_mult)
        if timing != self._timing:
            self._timing = timing
            for peer in self._peers.values():
                self._put(peer, bfd.retimed(peer.session, timing))
        taken = {peer.session.discriminator for peer in self._peers.values()}
        now = asyncio.get_running_loop().time()
        for address in desired.remotes:
            if address not in self._peers:
                session = bfd.start(_discriminator(taken), timing)
                self._peers[address] = peer = _Peer(address, session, now, dead=address in dead)
                self._schedule(peer, random.random())  # noqa: S311  (not all at once)

    def close_all_but(self, stay: Container[IPAddress]) -> None:
        """Tell the other remotes that their sessions end, so that they take nobody for dead; and end them."""
        leaving = [address for address in self._peers if address not in stay]
        for address in leaving:
            peer = self._peers[address]
            peer.session = bfd.admin_down(peer.session)
            self._say(peer)
        self._end(leaving)

    def stop(self) -> None:
        """End all of it."""
        self.close_all_but(())
        self._speak_with(None)

    def _end(self, addresses: Iterable[IPAddress]) -> None:
        for address in tuple(addresses):
            self._peers.pop(address).stop()

    def _speak_with(self, voice: Voice | None) -> None:
        loop = asyncio.get_running_loop()
        if self.voice:
            loop.remove_reader(self.voice.fileno())
            self.voice.close()
        self.voice = voice
        for peer in self._peers.values():
            peer.framed = None  # our address may be another one
        if voice:
            loop.add_reader(voice.fileno(), self._hear)

    # ---- what is heard, and what is not ----

    def _hear(self) -> None:
        for address, data in self.voice.hear() if self.voice else ():
            peer = self._peers.get(address)
            if peer is None:
                continue  # of a remote that was one a moment ago
            try:
                packet = peer.packet_in(data)
            except MalformedError:
                peer.discarded += 1
                continue
            if packet.your_discriminator not in {0, peer.session.discriminator}:
                peer.discarded += 1
                continue
            peer.received += 1
            peer.heard_at = asyncio.get_running_loop().time()
            self._put(peer, bfd.heard(peer.session, packet))
            if packet.poll:
                self._say(peer, final=True)

    def _check(self, peer: _Peer) -> None:
        """Look whether it is overdue, after what has arrived while this process had to wait for its turn."""
        self._hear()
        due = peer.heard_at + bfd.detection(peer.session) / _MICROSECONDS
        peer.overdue = None
        if asyncio.get_running_loop().time() >= due:
            self._put(peer, bfd.expired(peer.session))
        else:
            self._expect(peer)

    def _expect(self, peer: _Peer) -> None:
        if peer.overdue is None and peer.session.remote_discriminator:
            due = peer.heard_at + bfd.detection(peer.session) / _MICROSECONDS
            peer.overdue = asyncio.get_running_loop().call_at(due, self._check, peer)

    def _put(self, peer: _Peer, after: bfd.Session) -> None:
        """Let the session be ``after``, with all that follows."""
        before, peer.session = peer.session, after
        self._expect(peer)
        was_dead = peer.dead
        if before.state != after.state:
            self._turned(peer, before.state)
        if after.state == State.UP or after.remote_state == State.ADMIN_DOWN:
            peer.dead = False
        if before.state != after.state:
            self._say(peer)
            self._schedule(peer)
        elif bfd.interval(after, 0) != peer.spacing:
            self._schedule(peer)
        if peer.dead != was_dead:
            self._changed()

    def _turned(self, peer: _Peer, before: State) -> None:
        state = peer.session.state
        if State.UP not in {before, state}:
            return
        peer.since = asyncio.get_running_loop().time()
        if state == State.UP:
            log.info("remote %s: up", peer.address)
            return
        peer.downs += 1
        if peer.session.remote_state == State.ADMIN_DOWN:
            log.info("remote %s: its end of the session was closed", peer.address)
            return
        peer.dead = True
        silent = not peer.session.remote_discriminator
        why = "nothing is heard from it" if silent else "it says that it does not hear this host"
        log.warning("remote %s: dead: %s", peer.address, why)

    # ---- what is said ----

    def _schedule(self, peer: _Peer, chance: float | None = None) -> None:
        """Have the next packet sent when it is due: with ``chance`` at that part of the interval."""
        if peer.next:
            peer.next.cancel()
            peer.next = None
        peer.spacing = bfd.interval(peer.session, 0)
        wait = bfd.interval(peer.session, random.random())  # noqa: S311  (jitter)
        if wait is not None:
            later = wait / _MICROSECONDS * (1 if chance is None else chance)
            peer.next = asyncio.get_running_loop().call_later(later, self._due, peer)

    def _due(self, peer: _Peer) -> None:
        self._say(peer)
        self._schedule(peer)

    def _say(self, peer: _Peer, *, final: bool = False) -> None:
        if self.voice is None:
            return
        packet = bfd.packet(peer.session, final=final)
        if peer.framed is None or peer.framed[0] != packet:
            peer.framed = packet, frame(packet, src=self.voice.source(peer.address), src_mac=self.voice.mac)
        if self.voice.say(peer.address, peer.framed[1]):
            peer.sent += 1


def _word(state: State) -> str:
    return state.name.lower().replace("_", "-")


def _discriminator(taken: set[int]) -> int:
    """Return one that nobody guesses, and note that it is taken."""
    while True:
        number = secrets.randbits(32)
        if number and number not in taken:
            taken.add(number)
            return number
