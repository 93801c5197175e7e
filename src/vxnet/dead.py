# SPDX-License-Identifier: Apache-2.0
"""Remotes that are watched, those that are dead, and the flood lists these are left out of.

No source says who is dead: the daemon finds it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from vxnet.model import FdbEntry, HostState, IPAddress, Segment

    class _HasRemotes(Protocol):
        @property
        def remotes(self) -> tuple[IPAddress, ...]: ...


def watched(segments: Iterable[_HasRemotes], fdb: Iterable[FdbEntry]) -> tuple[IPAddress, ...]:
    """Return the remotes of segments and of static entries, each once, in order, IPv4 first."""
    remotes = {remote for segment in segments for remote in segment.remotes}
    remotes |= {entry.remote for entry in fdb if entry.remote}
    return tuple(sorted(remotes, key=lambda address: (address.version, address)))


def dead_in(state: HostState) -> frozenset[IPAddress]:
    """Return the remotes that some segment leaves out."""
    return frozenset(remote for segment in state.segments for remote in segment.dead)


def leaving_out(state: HostState, dead: Container[IPAddress]) -> HostState:
    """Return ``state`` with these remotes left out by the segments that ask for that (not ``flood_to_dead``)."""

    def marked(segment: Segment) -> Segment:
        out = () if segment.flood_to_dead else tuple(remote for remote in segment.remotes if remote in dead)
        return segment if out == segment.dead else msgspec.structs.replace(segment, dead=out)

    return msgspec.structs.replace(state, segments=tuple(map(marked, state.segments)))
