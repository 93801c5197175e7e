# SPDX-License-Identifier: Apache-2.0
"""The frozen values everything else speaks in: what one host is to be.

        HostState
          +-- vtep       Vtep            the tunnel endpoint of the segments
          +-- bfd        Bfd             whether and how the remotes of the segments are watched, by what they speak,
          +-- probe      Probe           and by what any host answers
          +-- segments   Segment, ...    one VNI's layer-2 network each: one tunnel to all its remotes
          +-- bridges    Bridge, ...     layer-2 networks with VLANs inside and any tunnels, as Open vSwitch has them
          +-- tunnels    Tunnel, ...     of the bridges
          +-- ports      Port, ...       local devices attached to segments and bridges
          +-- fdb        FdbEntry, ...   static forwarding entries of segments
          +-- neighbours Neighbour, ...  addresses in segments for which ARP and ND are answered here

A source (the host file, the Open vSwitch database, the cluster) yields a HostState; the kernel is read back into one;
`vxnet.plan` compares the two.
Values here are valid by type, not by meaning: what may stand beside what is checked by the sources.
"""

from __future__ import annotations

from abc import ABC
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    IPAddress = IPv4Address | IPv6Address
else:

    class IPAddress(ABC):  # noqa: B024  (for isinstance alone)
        """An address of either family. One type, as msgspec decodes no union of two that are not its own."""

    IPAddress.register(IPv4Address)
    IPAddress.register(IPv6Address)

VNI_MIN = 1
VNI_MAX = 2**24 - 1
"""A VNI has 24 bits (RFC 7348, section 5); 0 is not given to a segment."""

VXLAN_PORT = 4789
"""The UDP destination port that IANA assigned to VXLAN (RFC 7348, section 5)."""

AGEING = 300
"""Seconds a learned entry lives without being seen again, as in Linux's bridge and VXLAN devices."""

MAXADDRESS = 16384
"""How many MACs one port, or one remote in one segment, may teach unless the file says otherwise."""

MAX_MOVES = 5
"""How often a MAC may move in 180 seconds before it counts as a duplicate (RFC 7432, section 15.1: N and M)."""


class Vtep(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The tunnel endpoint of all segments: packets leave from and arrive at ``local``, UDP port ``dstport``.

    ``local6`` beside an IPv4 ``local`` is what remotes of IPv6 see; both are on one device.
    """

    local: IPAddress
    local6: IPv6Address | None = None
    dstport: int = VXLAN_PORT


BFD_VNI = 1
"""The management VNI unless the file says otherwise (RFC 8971, section 4)."""


class Bfd(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Whether the remotes are there is asked by BFD in the management VNI ``vni`` (RFC 8971), a session with each.

    ``min_tx`` and ``min_rx`` are in milliseconds: how often is sent at most, and how often wanted to be heard. A remote
    that is up and misses ``detect_mult`` packets is dead. ``remotes`` are in order, IPv4 first.
    """

    vni: int = BFD_VNI
    min_tx: int = 1000
    min_rx: int = 1000
    detect_mult: int = 3
    remotes: tuple[IPAddress, ...] = ()


class Probe(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Whether the remotes' hosts are there is asked by ICMP echo from the VTEP's address, of remotes without BFD.

    ``interval`` is in milliseconds. A remote that has answered, and then misses ``detect_mult`` in a row, is dead.
    """

    interval: int = 1000
    detect_mult: int = 3


class Segment(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One VNI's layer-2 network on this host.

    BUM goes to ``remotes`` (head-end replication) or to ``group`` (IP multicast), or, with neither, to local ports
    only. ``ageing`` is in seconds. ``maxaddress`` bounds what one port or one remote may teach.

    ``max_moves`` in 180 seconds, and a MAC stays where it was before; 0: any number.
    ``storm_control`` bounds the BUM frames a second from one port or one remote, ``storm_control_total`` those from all
    of them together; 0: any number.

    ``senders`` (prefixes, canonical: ``192.168.146.136/32``) are from whom packets are taken; None: from anybody.

    ``ttl`` 0 and ``tos`` None take the inner packet's. ``df``: routers are not to fragment the outer packet; the VTEP
    never does. ``csum``: the outer UDP checksum is computed. ``inner_vlan``: frames may have VLAN tags, and keep them
    (RFC 7348, section 6.1); each VLAN learns for itself.

    Not ``flood_to_dead``: remotes that BFD or probes have found dead get no BUM. Which those are, ``dead`` says, in the
    order of ``remotes``; no source does, but who watches them.
    """

    name: str
    vni: int
    remotes: tuple[IPAddress, ...] = ()
    group: IPAddress | None = None
    ageing: int = AGEING
    learning: bool = True
    maxaddress: int = MAXADDRESS
    max_moves: int = MAX_MOVES
    storm_control: int = 0
    storm_control_total: int = 0
    senders: tuple[str, ...] | None = None
    ttl: int = 64
    tos: int | None = 0
    df: bool = True
    csum: bool = False
    inner_vlan: bool = False
    flood_to_dead: bool = True
    dead: tuple[IPAddress, ...] = ()


class Bridge(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A learning switch with VLANs inside (IEEE 802.1Q): each VLAN learns and floods for itself.

    ``ageing`` is in seconds. ``maxaddress`` bounds what one port or one tunnel may teach. ``forward_bpdu``: frames to
    01:80:c2:00:00:00-0f, which a bridge keeps to its own link (IEEE 802.1Q, 8.6.3), are flooded too.
    """

    name: str
    ageing: int = AGEING
    maxaddress: int = MAXADDRESS
    forward_bpdu: bool = False


class Vlans(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which VLANs of its bridge a port or tunnel is in, in Open vSwitch's words (ovs-vswitchd.conf.db(5), vlan_mode).

    "access": in VLAN ``tag`` alone, untagged. "trunk": in ``trunks``, tagged, untagged frames being VLAN 0.
    "native-tagged", "native-untagged": a trunk whose untagged frames are VLAN ``tag``, which goes out tagged, or
    untagged. Empty ``trunks`` are all VLANs, 0-4095. The default is in every VLAN, and changes no frame.
    """

    mode: Literal["access", "trunk", "native-tagged", "native-untagged"] = "trunk"
    tag: int = 0
    trunks: tuple[int, ...] = ()


ALL_VLANS = Vlans()
"""A trunk of every VLAN."""


class Tunnel(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A VXLAN tunnel that is a member of a bridge like any port: what comes out of it may go into another one.

    It takes packets for ``vni`` (None: any VNI) from ``remote`` (None: anybody) to ``local`` (None: any address of this
    host) and UDP port ``dstport``; of the tunnels that fit a packet the most particular one gets it. It sends to
    ``remote``, or with None to where a MAC was learned behind it, with ``vni_out``.

    ``ttl`` 0 and ``tos`` None take the inner packet's. ``df``: the outer packet is not to be fragmented. ``csum``: the
    outer UDP checksum is computed.
    """

    name: str
    bridge: str
    vni: int | None
    vni_out: int
    remote: IPAddress | None
    local: IPAddress | None = None
    dstport: int = VXLAN_PORT
    ttl: int = 64
    tos: int | None = 0
    df: bool = True
    csum: bool = False
    vlans: Vlans = ALL_VLANS


class Source(msgspec.Struct, frozen=True, gc=False, order=True):
    """What may leave a port: frames from ``mac``; IP and ARP only from ``prefix`` (canonical, ``10.0.0.5/32``).

    ``prefix`` "": any address.
    """

    mac: str
    prefix: str = ""

    def __str__(self) -> str:
        """Return it for people: ``aa:bb:cc:dd:ee:ff 10.0.0.5/32``."""
        return f"{self.mac} {self.prefix or 'any'}"


class Port(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A local Ethernet device attached to a segment or a bridge, both by name.

    ``sources`` (port security, of segments' ports alone): what may leave the port, nothing else does; None: anything.
    ``storm_control`` (of segments' ports alone): BUM frames a second from it, in the place of what its segment says.

    An ``internal`` one is made by vxnet and holds addresses of this host. ``vlans`` matter in a bridge alone, ``mac``
    (``aa:bb:cc:dd:ee:ff``, lower case; None: as it is) for internal ports alone, ``mtu`` (bytes; None: as it is) for
    any port of a bridge.
    """

    device: str
    segment: str
    vlans: Vlans = ALL_VLANS
    internal: bool = False
    mac: str | None = None
    mtu: int | None = None
    sources: tuple[Source, ...] | None = None
    storm_control: int | None = None


class FdbEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A static entry: in ``segment``, ``mac`` (``aa:bb:cc:dd:ee:ff``, lower case) is at ``port`` or behind ``remote``.

    Exactly one of ``port`` (a device name) and ``remote`` is set.
    """

    segment: str
    mac: str
    port: str | None = None
    remote: IPAddress | None = None


class Neighbour(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """In ``segment``, ``address`` (canonical) is at ``mac``: who asks for it from a port is answered here.

    So neither ARP (RFC 826) nor neighbour solicitations (RFC 4861, section 7.2) for it are flooded.
    """

    segment: str
    address: str
    mac: str


class HostState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All of one host. ``vtep`` is None where there are no segments."""

    vtep: Vtep | None = None
    bfd: Bfd | None = None
    probe: Probe | None = None
    segments: tuple[Segment, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    ports: tuple[Port, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


DOWN = HostState()
"""The state of a host on which vxnet is not running."""
