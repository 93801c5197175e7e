# SPDX-License-Identifier: Apache-2.0
"""Which remotes are there: what BFD says of them, and, of those that speak none, what probes say.

Sessions (BFD) ---.
                   +--> one judge for each remote --> who is dead --> flood lists (Keeper), where a segment asks
Probes (ICMP) ----'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.daemon.probes import Probes
from vxnet.daemon.sessions import Sessions
from vxnet.dead import watched
from vxnet.model import DOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from vxnet.daemon.control import Remote
    from vxnet.daemon.echo import Echo
    from vxnet.datapath.voice import Voice
    from vxnet.model import HostState, IPAddress


class Liveness:
    """Of all remotes. ``changed`` is called when others may be dead than before."""

    def __init__(self, echo: Echo, changed: Callable[[], None]) -> None:
        self._sessions = Sessions(changed)
        self._probes = Probes(echo, changed)
        self._desired = DOWN
        self._remotes: tuple[IPAddress, ...] = ()

    @property
    def voice(self) -> Voice | None:
        """What BFD is spoken with."""
        return self._sessions.voice

    @property
    def dead(self) -> frozenset[IPAddress]:
        """The remotes that were there and are not any more."""
        judged = self._judged()
        return (self._sessions.dead & judged) | (self._probes.dead - judged)

    def remotes(self) -> tuple[Remote, ...]:
        """Return what there is to say of each, for people: what its judge says."""
        sessions, probes, judged = self._sessions.remotes(), self._probes.remotes(), self._judged()
        return tuple((sessions if address in judged else probes)[address] for address in (sessions | probes))

    def _judged(self) -> frozenset[IPAddress]:
        """Return the remotes whose BFD is heard, or that are asked in no other way."""
        return self._sessions.heard | (self._sessions.addresses - self._probes.addresses)

    def follow(self, desired: HostState, voice: Voice | None, dead: Container[IPAddress]) -> None:
        """Watch the remotes of this state. ``dead``: who is to be taken for dead until it is heard."""
        self._sessions.follow(desired.bfd, voice, dead)
        if desired is not self._desired:  # a tenth of a second, with 100 000 segments; and this is called at every look
            self._remotes = watched(desired.segments, desired.fdb) if desired.probe else ()
            self._desired = desired
        self._probes.follow(desired.probe, desired.vtep, self._remotes, dead)

    def close_all_but(self, stay: Container[IPAddress]) -> None:
        """Tell the other remotes that their BFD sessions end, so that they take nobody for dead; and end them."""
        self._sessions.close_all_but(stay)

    def stop(self) -> None:
        """End all of it."""
        self._sessions.stop()
        self._probes.stop()
