# SPDX-License-Identifier: Apache-2.0
"""What server and agent say to each other: lines of JSON over HTTP, with the token of the host.

    agent                                                server
      |  GET  /agent/v1/HOST/stream?incarnation=I&after=R   |
      |---------------------------------------------------->|
      |  Snapshot, or what has changed since R, then Tick   |   then every change that concerns this host, as it comes,
      |<----------------------------------------------------|   and a Tick every few seconds
      |  PUT  /agent/v1/HOST/report            Report       |
      |---------------------------------------------------->|   on every change, and every few seconds: the heartbeat
      |  PUT  /agent/v1/HOST/audits/ID         Held         |   when a message Audit asks for it

A host is told of the segments in which a port is bound to it, and of nothing else: of its own ports everything, of
others' what it takes to reach them. Whatever a message says replaces what was said of the same thing before.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Final

import msgspec

from vxnet.cluster.records import AddressPair, Route

LEAST_UNDERLAY_MTU: Final = 118
"""Bytes: the smallest IPv4 packet that every link takes (RFC 791 section 3.2), and 50 of VXLAN around it."""

TICK: Final = 2.0
"""Seconds without a line after which a server sends a Tick."""


class Subnet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The addresses of a segment, as a machine in it has to know them."""

    id: str
    cidr: str
    gateway_ip: str | None
    dns_nameservers: tuple[str, ...]
    host_routes: tuple[Route, ...]


class FixedIp(msgspec.Struct, frozen=True, gc=False):
    """One address of a port of this host."""

    subnet_id: str
    ip_address: str


class LocalPort(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="local"):
    """A port bound to this host."""

    id: str
    name: str
    mac_address: str
    fixed_ips: tuple[FixedIp, ...]
    admin_state_up: bool
    port_security_enabled: bool
    allowed_address_pairs: tuple[AddressPair, ...]
    binding_profile: dict[str, Any]


class FarPort(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="far"):
    """A port bound to another host, whose VTEP is ``vtep``."""

    id: str
    mac_address: str
    addresses: tuple[str, ...]
    vtep: str


Port = LocalPort | FarPort


class Segment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A network in which this host takes part. ``id`` is the network's."""

    id: str
    name: str
    vni: int
    mtu: int
    subnets: tuple[Subnet, ...]
    ports: tuple[Port, ...]


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Everything for this host, at ``revision``: what is not in it is not any more."""

    incarnation: str
    revision: int
    segments: tuple[Segment, ...]


class SegmentPut(msgspec.Struct, frozen=True, tag="segment"):
    """A segment with all that is in it."""

    revision: int
    segment: Segment


class SegmentGone(msgspec.Struct, frozen=True, tag="segment-gone"):
    """This host takes no part in it any more."""

    revision: int
    id: str


class PortPut(msgspec.Struct, frozen=True, tag="port"):
    """One port of a segment."""

    revision: int
    segment: str
    port: Port


class PortGone(msgspec.Struct, frozen=True, tag="port-gone"):
    """A port that is in a segment no more, or at no host."""

    revision: int
    segment: str
    id: str


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """All up to ``revision`` has been told: where to go on after a cut. Also a sign of life."""

    revision: int


class Audit(msgspec.Struct, frozen=True, tag="audit"):
    """Say what the kernel really holds (`Held`), as an answer to the question ``id``."""

    id: str


Message = Snapshot | SegmentPut | SegmentGone | PortPut | PortGone | Tick | Audit


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says of its host. ``active``: the ports that forward now, all others do not.

    ``revision`` is what it has applied; ``underlay_mtu`` in bytes. All hosts go by ``local`` and it: they are
    refused if they cannot be.
    """

    revision: int
    local: str
    underlay_mtu: Annotated[int, msgspec.Meta(ge=LEAST_UNDERLAY_MTU, le=65536)]
    version: str
    started_at: str
    active: tuple[str, ...]

    def __post_init__(self) -> None:
        if "%" in self.local:
            message = f"{self.local} names a device, which other hosts do not have"
            raise ValueError(message)
        ip_address(self.local)  # raises a ValueError that says what is wrong with it


class HeldSegment(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What the kernel holds of a segment: where BUM goes, which MACs are where, which addresses it answers for."""

    id: str
    vni: int
    remotes: tuple[str, ...]
    fdb: tuple[tuple[str, str], ...]
    """MAC, and the remote's address, or the id of the port."""
    neighbours: tuple[tuple[str, str], ...]
    """Address, MAC."""
    ports: tuple[str, ...]
    """The ids of the ports that are attached."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel of a host holds, read back from it, after everything up to ``revision`` was applied.

    ``waiting``: the ports bound here that have no device yet, by id.
    """

    revision: int
    local: str
    segments: tuple[HeldSegment, ...]
    waiting: tuple[str, ...]


def encode(message: Message) -> bytes:
    """Return a message as one line."""
    return msgspec.json.encode(message) + b"\n"


DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
"""Of one line; `vxnet.undecodable` says what is raised for anything else."""
