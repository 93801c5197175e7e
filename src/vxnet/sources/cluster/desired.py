# SPDX-License-Identifier: Apache-2.0
"""What the segments of a view make of this host.

    segment   its id is its name, as names of networks are not unique; BUM goes to every VTEP behind which it has a port
    fdb       every port's MAC: nothing known is flooded to be learned
    neighbours  every port's addresses: ARP and ND are answered here; but a gateway answers IPv6 itself, as only it can
                say that it is a router (the R flag; RFC 4861, section 7.2.4)
    ports     those bound here for which there is a device; the others wait

Which device is a port's: one whose alias is ``iface-id=ID``; else the one that binding:profile names as ``device``;
else ``tap`` and the first 11 characters of the id, as all of OpenStack calls it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

import msgspec

from vxnet.cluster.messages import LocalPort
from vxnet.model import FdbEntry, HostState, IPAddress, Neighbour, Port, Probe, Segment, Source, Vtep
from vxnet.packet.mac import eui64
from vxnet.sources.known import known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vxnet.cluster import messages

ALIAS: Final = "iface-id="
"""What the alias of a port's device begins with; the port's id follows (Open vSwitch's word for it)."""


_vtep = lru_cache(maxsize=1 << 12)(ip_address)
"""It is asked for each port there is, each time."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The state, the id of the port at each device, why each port without one waits, and what else cannot be."""

    state: HostState
    ports: dict[str, str] = {}
    waiting: dict[str, str] = {}
    trouble: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever runs this host has to say of all its segments: the words are those of the host file."""

    storm_control: int = 0
    storm_control_total: int = 0
    probe: Probe | None = None
    flood_to_dead: bool = True


DEFAULTS: Final = Settings()
"""What holds where nothing is said."""


def device_name(port_id: str) -> str:
    """Return what the device of a port is called unless something else says which one it is."""
    return f"tap{port_id[:11]}"


def desired(
    segments: Iterable[messages.Segment],
    local: IPAddress,
    devices: Mapping[str, str],
    aliases: Mapping[str, str],
    settings: Settings = DEFAULTS,
) -> Wanted:
    """Return the host that these segments ask for.

    ``devices``: those that are there, each with why it cannot be attached, "" if it can. ``aliases``: the names of
    those that have an alias, by it. ``settings``: what is said on this host.
    """
    host = _Host(local, devices, aliases, settings)
    for segment in segments:
        host.add(segment)
    state = HostState(
        vtep=Vtep(local=local),
        segments=tuple(host.segments),
        ports=tuple(host.ports.values()),
        fdb=tuple(host.fdb.values()),
        neighbours=tuple(host.neighbours.values()),
        probe=settings.probe,
    )
    return Wanted(state=state, ports=host.at, waiting=host.waiting, trouble=host.trouble)


class _Host:
    """What has been gathered so far. Of two that claim one device, one MAC or one address, the first has it."""

    def __init__(
        self, local: IPAddress, devices: Mapping[str, str], aliases: Mapping[str, str], settings: Settings
    ) -> None:
        self._local = local
        self._settings = settings
        self._devices = devices
        self._aliases = aliases
        self.segments: list[Segment] = []
        self.ports: dict[str, Port] = {}
        self.fdb: dict[tuple[str, str], FdbEntry] = {}
        self.neighbours: dict[tuple[str, str], Neighbour] = {}
        self.at: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.trouble = ""

    def add(self, segment: messages.Segment) -> None:
        remotes: set[IPAddress] = set()
        routers = {subnet.gateway_ip for subnet in segment.subnets if ":" in (subnet.gateway_ip or "")}
        for port in segment.ports:
            if isinstance(port, LocalPort):
                addresses = tuple(fixed.ip_address for fixed in port.fixed_ips)
                self._attach(segment.id, port)
            else:
                addresses = port.addresses
                remote = _vtep(port.vtep)
                if remote.version != self._local.version:
                    families = f"IPv{remote.version}, and this host's {self._local} is IPv{self._local.version}"
                    self.trouble = f"cannot reach the ports at {remote}: that is {families}"
                    continue
                if remote != self._local:
                    remotes.add(remote)
                    self._place(segment.id, port.mac_address, remote=remote)
            for address in filter(lambda address: address not in routers, addresses):
                neighbour = Neighbour(segment=segment.id, address=address, mac=port.mac_address)
                self.neighbours.setdefault((segment.id, address), neighbour)
        others = tuple(sorted(remotes))
        self.segments.append(
            Segment(
                name=segment.id,
                vni=segment.vni,
                remotes=others,
                senders=known(others),
                storm_control=self._settings.storm_control,
                storm_control_total=self._settings.storm_control_total,
                flood_to_dead=self._settings.flood_to_dead,
            )
        )

    def _attach(self, segment: str, port: LocalPort) -> None:
        device = self._device_of(port)
        if not port.admin_state_up:
            self.waiting[port.id] = "its admin_state_up is false"
        elif device not in self._devices:
            self.waiting[port.id] = f"device {device} does not exist; `vxnet port plug {port.id}` makes one"
        elif self._devices[device]:
            self.waiting[port.id] = self._devices[device]
        elif device in self.ports:
            self.waiting[port.id] = f"device {device} is port {self.at[device]}'s"
        else:
            self.at[device] = port.id
            self.ports[device] = Port(device=device, segment=segment, sources=sources(port))
            self._place(segment, port.mac_address, device=device)

    def _device_of(self, port: LocalPort) -> str:
        named = port.binding_profile.get("device")
        fallback = named if isinstance(named, str) and named else device_name(port.id)
        return self._aliases.get(f"{ALIAS}{port.id}", fallback)

    def _place(self, segment: str, mac: str, *, remote: IPAddress | None = None, device: str | None = None) -> None:
        self.fdb.setdefault((segment, mac), FdbEntry(segment=segment, mac=mac, remote=remote, port=device))


def sources(port: LocalPort) -> tuple[Source, ...] | None:
    """Return what may leave a port: its own MAC and addresses, and the allowed pairs; None: anything.

    IPv6 talks from a link-local address before it has any other: that of each MAC (EUI-64; RFC 4291, appendix A).
    """
    if not port.port_security_enabled:
        return None
    pairs = [(port.mac_address, fixed.ip_address) for fixed in port.fixed_ips]
    pairs += [(pair.mac_address, pair.ip_address) for pair in port.allowed_address_pairs]
    return _allowed(port.mac_address, tuple(pairs))


@lru_cache(maxsize=1 << 14)
def _allowed(own: str, pairs: tuple[tuple[str, str], ...]) -> tuple[Source, ...]:
    macs = {own, *(mac for mac, _ in pairs)}
    allowed = {Source(mac, str(ip_network(prefix))) for mac, prefix in pairs}
    return tuple(sorted(allowed | {Source(mac, f"{link_local(mac)}/128") for mac in macs}))


def link_local(mac: str) -> str:
    """Return the link-local IPv6 address that is made of a MAC (RFC 4291, section 2.5.6 and appendix A)."""
    return str(ip_address(b"\xfe\x80" + bytes(6) + eui64(mac)))
