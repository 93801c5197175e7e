# SPDX-License-Identifier: Apache-2.0
"""What random frames through segments and through bridges have in common: a port that sends, machines that talk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from hypothesis import Phase, event
from hypothesis import strategies as st

from tests.support.board import REMOTES
from tests.support.tenant_frames import KNOWN, TenantFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Address

    from vxnet.switch.outcome import Outcome

T = TypeVar("T")

PHASES: Final = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""All but the explanation of a failure, which traces every line and takes minutes here."""


class FromPort(msgspec.Struct, frozen=True):
    """A port sends a frame."""

    port: str
    frame: TenantFrame


def talk(
    draw: st.DrawFn,
    ports: Sequence[str],
    frames: Callable[[int, int], st.SearchStrategy[TenantFrame]],
    arriving: Callable[[IPv4Address, TenantFrame], T],
) -> list[FromPort | T]:
    """A few frames, each the answer to the one before: said again and again, they are what is cached.

    ``frames`` draws one from a machine to another; ``arriving`` is what comes of one at a remote.
    """
    one, other = draw(st.permutations(range(KNOWN)))[:2]
    places: list[str | IPv4Address] = [*ports, *REMOTES]
    said: list[FromPort | T] = []
    for place in draw(st.lists(st.sampled_from(places), min_size=2, max_size=4)):
        frame = draw(frames(one, other))
        said.append(FromPort(place, frame) if isinstance(place, str) else arriving(place, frame))
        one, other = other, one
    return said


def note(outcome: Outcome) -> None:
    """Tell hypothesis's statistics (``--hypothesis-show-statistics``) what the examples are made of."""
    event(str(outcome.drop or (f"{len(outcome.copies)} copies" if outcome.ours else "left to the host")))
