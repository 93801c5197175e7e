# SPDX-License-Identifier: Apache-2.0
"""Random bridges of the board's host: ports and tunnels in any VLANs, tunnels that leave anything open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st

from tests.support.board import LOCAL, LOCAL6, PORTS, REMOTES, REMOTES6
from tests.support.twins import VLANS
from tests.support.weights import mostly, weighted
from vxnet.model import ALL_VLANS, Bridge, HostState, Port, Tunnel, Vlans

if TYPE_CHECKING:
    from vxnet.model import IPAddress

BRIDGES = 2
TUNNELS = 3
VNIS = (0, 5, 2**24 - 1)
DSTPORTS = (4789, 8472)

_TAGS = st.sampled_from(VLANS)
_TRUNKS = st.lists(_TAGS, unique=True, max_size=3).map(lambda vlans: tuple(sorted(vlans)))
_VLANS = weighted(
    (3, st.just(ALL_VLANS)),
    (3, st.builds(Vlans, mode=st.just("access"), tag=_TAGS)),
    (1, st.builds(Vlans, mode=st.just("trunk"), trunks=_TRUNKS)),
    (2, st.builds(Vlans, mode=st.sampled_from(("native-tagged", "native-untagged")), tag=_TAGS, trunks=_TRUNKS)),
)


class BridgeSketch(msgspec.Struct, frozen=True, kw_only=True):
    """A host with bridges as it is drawn: ports and tunnels hold the number of their bridge, -1 for none."""

    bridges: tuple[Bridge, ...]
    ports: tuple[tuple[int, Vlans], ...]
    tunnels: tuple[tuple[int, Tunnel], ...]

    @property
    def attached(self) -> tuple[str, ...]:
        """The devices that are ports."""
        return tuple(device for device, (number, _) in zip(PORTS, self.ports, strict=True) if number >= 0)

    @property
    def vnis(self) -> tuple[int, ...]:
        """The VNIs that its tunnels take."""
        return tuple(t.vni for number, t in self.tunnels if number >= 0 and t.vni is not None)

    def state(self, example: int) -> HostState:
        """Return the state, with the names of this example."""
        names = [f"{bridge.name}-{example}" for bridge in self.bridges]
        replace = msgspec.structs.replace
        return HostState(
            bridges=tuple(replace(bridge, name=name) for bridge, name in zip(self.bridges, names, strict=True)),
            tunnels=tuple(
                replace(tunnel, name=f"{tunnel.name}-{example}", bridge=names[number])
                for number, tunnel in self.tunnels
                if number >= 0
            ),
            ports=tuple(
                Port(device=device, segment=names[number], vlans=vlans)
                for device, (number, vlans) in zip(PORTS, self.ports, strict=True)
                if number >= 0
            ),
        )


_PLACES = mostly(6, range(BRIDGES), (-1,))


_ENDS: tuple[tuple[IPAddress, tuple[IPAddress, ...]], ...] = ((LOCAL, REMOTES), (LOCAL6, REMOTES6))
"""Our address, and who has others of its family."""


@st.composite
def _tunnels(draw: st.DrawFn) -> tuple[tuple[int, Tunnel], ...]:
    """Draw tunnels of which no two take the same packets."""
    taken: set[tuple[int | None, IPAddress | None, IPAddress, int]] = set()
    tunnels = []
    for number in range(draw(st.integers(0, TUNNELS))):
        vni = draw(mostly(5, VNIS, (None,)))
        local, remotes = draw(st.sampled_from(_ENDS))
        tunnel = Tunnel(
            name=f"vx{number}",
            bridge="",
            vni=vni,
            vni_out=draw(st.sampled_from(VNIS)) if vni is None else vni,
            remote=draw(mostly(5, remotes, (None,))),
            local=local,
            dstport=draw(mostly(3, DSTPORTS[:1], DSTPORTS[1:])),
            vlans=draw(_VLANS),
        )
        key = (vni, tunnel.remote, local, tunnel.dstport)
        if key not in taken:
            taken.add(key)
            tunnels.append((draw(_PLACES), tunnel))
    return tuple(tunnels)


@st.composite
def _bridge(draw: st.DrawFn, number: int) -> Bridge:
    return Bridge(
        name=f"br{number}",
        ageing=draw(mostly(3, (300,), (60,))),
        maxaddress=draw(mostly(3, (16384,), (1, 2))),
        forward_bpdu=draw(mostly(3, (False,), (True,))),
    )


@st.composite
def bridge_sketches(draw: st.DrawFn) -> BridgeSketch:
    """Any state with bridges and no segments, its first port always there."""
    return BridgeSketch(
        bridges=tuple(draw(_bridge(number)) for number in range(BRIDGES)),
        ports=((0, draw(_VLANS)), *(draw(st.tuples(_PLACES, _VLANS)) for _ in PORTS[1:])),
        tunnels=draw(_tunnels()),
    )


@st.composite
def bridge_successors(draw: st.DrawFn, old: BridgeSketch) -> BridgeSketch:
    """A state that has something in common with ``old``."""
    keep = st.sampled_from((True, True, False))
    return BridgeSketch(
        bridges=tuple(bridge if draw(keep) else draw(_bridge(n)) for n, bridge in enumerate(old.bridges)),
        ports=tuple(its if draw(keep) else (draw(_PLACES), draw(_VLANS)) for its in old.ports),
        tunnels=old.tunnels if draw(keep) else draw(_tunnels()),
    )
