# SPDX-License-Identifier: Apache-2.0
"""Who takes part: segments and bridges (domains, as in the maps), and their members, which are ports and tunnels.

A segment has one tunnel of its own, which all its remotes are behind; a bridge has those that it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.model import Bridge, IPAddress, Segment, Tunnel
from vxnet.switch.outcome import Behind, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import HostState, Vlans, Vtep

Domain = Segment | Bridge


class Members:
    """The domains, ports and tunnels of one host, by their names."""

    def __init__(self, state: HostState) -> None:
        self.domains: dict[str, Domain] = {segment.name: segment for segment in state.segments}
        self.domains |= {bridge.name: bridge for bridge in state.bridges}
        self.ports = {port.device: port for port in state.ports}
        own = (_own_tunnel(segment, state.vtep) for segment in state.segments if state.vtep)
        self.tunnels = {tunnel.name: tunnel for tunnel in (*own, *state.tunnels)}
        self._vtep = state.vtep

    def vlans(self, place: Place) -> Vlans:
        """Return the VLANs of the port or tunnel of a place."""
        return (self.ports[place] if isinstance(place, str) else self.tunnels[place.tunnel]).vlans

    def places(self, domain: Domain) -> Iterator[Place]:
        """Every place that BUM of a domain goes to, ports first."""
        yield from (port.device for port in self.ports.values() if port.segment == domain.name)
        for tunnel in self.tunnels.values():
            if tunnel.bridge == domain.name:
                yield from (Behind(tunnel.name, remote) for remote in _remotes(domain, tunnel))

    def locals(self, tunnel: Tunnel) -> tuple[IPAddress | None, ...]:
        """Return our addresses that a tunnel's packets come to, the preferred one first; None: any."""
        own = self._vtep.local6 if self._vtep and isinstance(self.domains[tunnel.bridge], Segment) else None
        return (tunnel.local, own) if own else (tunnel.local,)

    @property
    def groups(self) -> set[IPAddress | None]:
        """The groups of all segments, and None if there is one without."""
        return {domain.group for domain in self.domains.values() if isinstance(domain, Segment)}


def has_vlans(domain: Domain) -> bool:
    """Tell whether frames may have tags inside, which then are those of VLANs."""
    return isinstance(domain, Bridge) or domain.inner_vlan


def _own_tunnel(segment: Segment, vtep: Vtep) -> Tunnel:
    """Return the one tunnel of a segment, which all its remotes are behind."""
    return Tunnel(
        name=segment.name,
        bridge=segment.name,
        vni=segment.vni,
        vni_out=segment.vni,
        remote=None,
        local=vtep.local,
        dstport=vtep.dstport,
        ttl=segment.ttl,
        tos=segment.tos,
        df=segment.df,
        csum=segment.csum,
    )


def _remotes(domain: Domain, tunnel: Tunnel) -> tuple[IPAddress, ...]:
    """Return where BUM goes through this tunnel."""
    if isinstance(domain, Bridge):
        return (tunnel.remote,) if tunnel.remote else ()
    return (domain.group,) if domain.group else tuple(at for at in domain.remotes if at not in domain.dead)
