# SPDX-License-Identifier: Apache-2.0
"""Whether everything agrees: the store with itself, each server with the store, each host's kernel with the records.

    of_store      claims and references, against the records they are made of
    of_server     a server's replica, by its checksum
    of_host       what a kernel was read back to hold, against what the records ask of this host

What is compared is worked out here from the records anew, not by the code that servers and agents work with.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import msgspec

from vxnet.cluster.keys import claims_of
from vxnet.cluster.messages import Held, HeldSegment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vxnet.cluster.records import Port
    from vxnet.cluster.replica import Replica
    from vxnet.store.base import Item


class Difference(msgspec.Struct, frozen=True, order=True):
    """One thing that is not as it should be: ``where`` it is ("store", "server URL", "host NAME"), and ``what``."""

    where: str
    what: str


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of itself, and what the hosts say that it asked; see server/agents.py."""

    revision: int
    incarnation: str
    digest: str
    asked: tuple[str, ...]
    answers: dict[str, Held]


def of_store(items: Iterable[Item], replica: Replica) -> Iterator[Difference]:
    """Yield what is wrong in the store. ``replica`` is made of ``items``."""
    there = {item.key: item.value for item in items if item.key.startswith("claim/")}
    wanted: dict[str, bytes] = {}
    for record in (*replica.networks, *replica.subnets, *replica.ports):
        for claim, owner in claims_of(record):
            if claim in wanted:
                yield Difference("store", f"{claim}: both {wanted[claim].decode()} and {owner.decode()} have it")
            wanted[claim] = owner
    for claim in sorted(there.keys() | wanted.keys()):
        if there.get(claim) != wanted.get(claim):
            yield Difference("store", f"{claim}: {_owner(there.get(claim))}, and should be {_owner(wanted.get(claim))}")
    yield from _references(replica)


def _references(replica: Replica) -> Iterator[Difference]:
    for subnet in replica.subnets:
        if not replica.networks.get(subnet.network_id):
            yield Difference("store", f"subnet {subnet.id}: its network {subnet.network_id} does not exist")
    for port in replica.ports:
        if not replica.networks.get(port.network_id):
            yield Difference("store", f"port {port.id}: its network {port.network_id} does not exist")
        for fixed in port.fixed_ips:
            there = replica.subnets.get(fixed.subnet_id)
            if there is None:
                yield Difference("store", f"port {port.id}: its subnet {fixed.subnet_id} does not exist")
            elif ip_address(fixed.ip_address) not in ip_network(there.cidr):
                yield Difference("store", f"port {port.id}: {fixed.ip_address} is not in {there.cidr}")
    for state in replica.port_states:
        port_there = replica.ports.get(state.port_id)
        if state.active and port_there is None:
            yield Difference("store", f"port {state.port_id}: is said to forward at {state.host}, and does not exist")


def of_server(url: str, audit: Audit, replica: Replica) -> Iterator[Difference]:
    """Yield what a server has in another way than the store."""
    if audit.incarnation != replica.incarnation:
        yield Difference(f"server {url}", "holds another store, or one that was restored since: restart it")
    elif audit.digest != replica.digest():
        yield Difference(f"server {url}", f"at revision {audit.revision} its records are not the store's")


def of_host(host: str, held: Held, replica: Replica) -> Iterator[Difference]:
    """Yield what the kernel of a host holds in another way than the records ask for."""
    where = f"host {host}"
    agent = replica.agents.get(host)
    if agent and held.local != agent.local:
        yield Difference(where, f"its VTEP is {held.local}, and should be {agent.local}")
    there = {segment.id: segment for segment in held.segments}
    wanted = {segment.id: segment for segment in _segments(host, frozenset(held.waiting), replica)}
    for name in sorted(there.keys() | wanted.keys()):
        if name not in there or name not in wanted:
            yield Difference(where, f"segment {name} is {'missing' if name in wanted else 'there for no reason'}")
            continue
        for field in HeldSegment.__struct_fields__:
            is_, should = getattr(there[name], field), getattr(wanted[name], field)
            if is_ != should:
                yield Difference(where, f"segment {name}: {field}: {_unlike(is_, should)}")


def _segments(host: str, waiting: frozenset[str], replica: Replica) -> Iterator[HeldSegment]:
    """Yield what the records ask of a host on which these ports have no device."""
    for name in {port.network_id for port in replica.ports.where("binding_host_id", host)}:
        network = replica.networks.get(name)
        if network is None:
            continue  # which the store's own check tells of
        bound = list(replica.ports.where("network_id", name))
        here = [port for port in bound if port.binding_host_id == host]
        away = [(port, vtep) for port in bound if port.binding_host_id != host and (vtep := _vtep(port, replica))]
        at = {port.mac_address: port.id for port in here if port.id not in waiting}
        known = [*here, *(port for port, _ in away)]
        gateways = {subnet.gateway_ip for subnet in replica.subnets.where("network_id", name) if subnet.ip_version == 6}
        yield HeldSegment(
            id=name,
            vni=network.vni,
            remotes=tuple(sorted({vtep for _, vtep in away}, key=ip_address)),
            fdb=tuple(sorted((at | {port.mac_address: vtep for port, vtep in away}).items())),
            neighbours=tuple(
                sorted(
                    (f.ip_address, port.mac_address)
                    for port in known
                    for f in port.fixed_ips
                    if f.ip_address not in gateways
                )
            ),
            ports=tuple(sorted(at.values())),
        )


def _vtep(port: Port, replica: Replica) -> str:
    agent = replica.agents.get(port.binding_host_id)
    return agent.local if agent else ""


def _owner(owner: bytes | None) -> str:
    return owner.decode() if owner else "nobody's"


def _unlike(is_: object, should: object) -> str:
    """Say which parts differ, of two tuples; else both."""
    if isinstance(is_, tuple) and isinstance(should, tuple):
        missing, extra = set(should) - set(is_), set(is_) - set(should)
        words = [f"{_text(part)} is missing" for part in sorted(missing)]
        return ", ".join(words + [f"{_text(part)} is there for no reason" for part in sorted(extra)])
    return f"is {is_}, and should be {should}"


def _text(part: object) -> str:
    return " at ".join(part) if isinstance(part, tuple) else str(part)
