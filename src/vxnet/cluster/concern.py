# SPDX-License-Identifier: Apache-2.0
"""Whom a change concerns: which networks, what of each, and which hosts take part in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from vxnet.cluster import view
from vxnet.cluster.records import Agent, Network, Port, Subnet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from vxnet.cluster.replica import Edit, Replica

ALL: Final = None
"""In place of the ids of ports: all of the network."""


def concerned(replica: Replica, edits: Iterable[Edit]) -> dict[str, set[str] | None]:
    """Return which networks hosts have to be told about, and of each which ports, or ALL of it."""
    found: dict[str, set[str] | None] = {}
    for edit in edits:
        for network, port in _of(replica, edit):
            known = found.setdefault(network, set())
            found[network] = ALL if port is None or known is ALL else known | {port}
    return found


def _of(replica: Replica, edit: Edit) -> Iterator[tuple[str, str | None]]:
    """Yield what one edit concerns. Fields that no host is told of concern nobody."""
    match edit.new or edit.old:
        case Network() as network:
            if isinstance(edit.old, Network) and edit.new and _told(edit.old) != _told(network):
                yield network.id, ALL
        case Subnet() as subnet:
            if not (isinstance(edit.old, Subnet) and edit.new and view.subnet_in(edit.old) == view.subnet_in(subnet)):
                yield subnet.network_id, ALL
        case Port() as port:
            old = edit.old if isinstance(edit.old, Port) else None
            same = edit.new and old and view.local_port(old) == view.local_port(port)
            if _host(old) != _host(edit.new) or (_host(old) and not same):
                yield port.network_id, port.id
        case Agent() as agent:
            if not (isinstance(edit.old, Agent) and edit.new and edit.old.local == agent.local):
                yield from ((network, ALL) for network in view.networks_of(replica, agent.host))
        case _:
            pass


def _told(network: Network) -> tuple[str, int, int]:
    return network.name, network.vni, network.mtu


def _host(record: object) -> str:
    return record.binding_host_id if isinstance(record, Port) else ""


class Attendance:
    """Which hosts take part in which networks: those to which a port there is bound."""

    def __init__(self, ports: Iterable[Port]) -> None:
        self._hosts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for port in ports:
            self._step(port, 1)

    def hosts(self, network: str) -> AbstractSet[str]:
        """Return the hosts that take part in a network."""
        return self._hosts[network].keys() if network in self._hosts else frozenset()

    def follow(self, edits: Iterable[Edit]) -> set[tuple[str, str]]:
        """Follow the ports of one transaction. Return each network with each host that has joined or left it."""
        touched: dict[tuple[str, str], bool] = {}
        for edit in edits:
            for record, step in ((edit.old, -1), (edit.new, 1)):
                if isinstance(record, Port) and record.binding_host_id:
                    place = record.network_id, record.binding_host_id
                    touched.setdefault(place, record.binding_host_id in self.hosts(record.network_id))
                    self._step(record, step)
        return {(network, host) for (network, host), was in touched.items() if (host in self.hosts(network)) != was}

    def _step(self, port: Port, step: int) -> None:
        if not port.binding_host_id:
            return
        hosts = self._hosts[port.network_id]
        hosts[port.binding_host_id] += step
        if not hosts[port.binding_host_id]:
            del hosts[port.binding_host_id]
        if not hosts:
            del self._hosts[port.network_id]
