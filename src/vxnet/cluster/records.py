# SPDX-License-Identifier: Apache-2.0
"""The frozen values a cluster consists of, as they are kept in the store, in JSON.

    Network  <-- Subnet        a network's addresses
       ^            ^
       '-- Port ----'          a MAC and addresses, at a host (binding_host_id) or nowhere yet
            ^
         PortState             what the agent of that host says of it
    Agent  <-- Heartbeat       a host of the cluster
    User, Token                who may ask; passwords and tokens are kept as hashes
    Quota, Server

Fields have the names of the OpenStack Networking API v2.0, with ``_`` for ``:``; ``vni`` is its
``provider:segmentation_id``. ``revision_number`` is the API's: it counts the changes of one record. Times are RFC 3339
texts in UTC, with Z. Addresses are canonical texts.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Base of what the API shows and changes."""

    id: str
    project_id: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    revision_number: int = 0
    created_at: str
    updated_at: str


class Network(Record, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A project's layer-2 network: one VNI. ``mtu`` in bytes, of the tenants' IP packets."""

    vni: int
    mtu: int
    admin_state_up: bool = True
    shared: bool = False
    router_external: bool = False
    port_security_enabled: bool = True


class Pool(msgspec.Struct, frozen=True, gc=False):
    """Addresses that ports get without asking for one, both ends included."""

    start: str
    end: str


class Route(msgspec.Struct, frozen=True, gc=False):
    """A route that hosts of a subnet are given."""

    destination: str
    nexthop: str


class Subnet(Record, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The addresses of a network; ``gateway_ip`` None: it has none."""

    network_id: str
    ip_version: Literal[4, 6]
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    allocation_pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[Route, ...] = ()
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None


class FixedIp(msgspec.Struct, frozen=True, gc=False):
    """One address of a port."""

    subnet_id: str
    ip_address: str


class AddressPair(msgspec.Struct, frozen=True, gc=False):
    """What may leave a port besides its own: an address or a prefix, from ``mac_address``."""

    ip_address: str
    mac_address: str


class Port(Record, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A machine's place in a network. ``binding_host_id`` "": it is at no host."""

    network_id: str
    mac_address: str
    fixed_ips: tuple[FixedIp, ...] = ()
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    binding_host_id: str = ""
    binding_vnic_type: str = "normal"
    binding_profile: dict[str, Any] = {}
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    port_security_enabled: bool = True


class PortState(msgspec.Struct, frozen=True, gc=False):
    """What the agent of ``host`` has confirmed of a port: whether it forwards."""

    port_id: str
    host: str
    active: bool


class Agent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A host whose agent has spoken to a server: its VTEP's address, and its underlay's MTU in bytes."""

    id: str
    host: str
    local: str
    underlay_mtu: int
    version: str
    created_at: str
    started_at: str
    admin_state_up: bool = True
    description: str = ""


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """A sign of life of the agent of ``host``, at what time by the server's clock: to be shown, never compared."""

    host: str
    at: str
    count: int


Role = Literal["admin", "member", "reader"]


class User(msgspec.Struct, frozen=True, gc=False):
    """Who asks with HTTP Basic. ``password`` is a hash, see server/identity."""

    name: str
    project_id: str
    role: Role
    password: str


class Token(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who asks with a static token, of which ``digest`` is the SHA-256 in hex.

    Of an agent: ``host`` is the one host it may speak for, and there is no project.
    """

    digest: str
    name: str
    project_id: str = ""
    role: Role = "reader"
    host: str = ""


class Quota(msgspec.Struct, frozen=True, gc=False):
    """How much a project may have, by resource ("network", ...); -1: as much as it likes. Others have the defaults."""

    project_id: str
    limits: dict[str, int]


class Server(msgspec.Struct, frozen=True, gc=False):
    """A server of this store, and where others reach it."""

    id: str
    url: str
    started_at: str
