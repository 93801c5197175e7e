# SPDX-License-Identifier: Apache-2.0
"""The states that the programs are fuzzed in: what is in the maps. Machines and remotes are those of packets.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.packets import GROUP, GROUP6, ipv4s, ipv6s, macs
from tests.support.board import LOCAL, LOCAL6, REMOTES, REMOTES6
from vxnet.model import Bridge, FdbEntry, HostState, Neighbour, Port, Segment, Source, Tunnel, Vlans, Vtep

if TYPE_CHECKING:
    from collections.abc import Mapping

_VTEP = Vtep(local=LOCAL, local6=LOCAL6)
_BLUE = Segment(name="blue", vni=10, remotes=(*REMOTES[:2], *REMOTES6[:2]))
_GREEN = Segment(name="green", vni=20, group=GROUP)
_RED = Segment(
    name="red", vni=30, group=GROUP6, learning=False, senders=("192.168.146.136/32", "fd00:92::/64"), maxaddress=2
)
_FDB = (
    FdbEntry(segment="blue", mac=macs[1], remote=REMOTES[0]),
    FdbEntry(segment="blue", mac=macs[2], remote=REMOTES6[0]),
    FdbEntry(segment="blue", mac=macs[3], port="tap1"),
    FdbEntry(segment="green", mac=macs[1], port="tap2"),
    FdbEntry(segment="red", mac=macs[1], port="tap3"),
)


def _access(tag: int) -> Vlans:
    return Vlans(mode="access", tag=tag)


OPEN = HostState(
    vtep=_VTEP,
    segments=(_BLUE, _GREEN, _RED),
    ports=tuple(Port(device=f"tap{n}", segment=name) for n, name in enumerate(("blue", "blue", "green", "red"))),
    fdb=_FDB,
)
"""A segment with remotes, one with a group, one that learns nothing and takes packets from few."""

SECURED = HostState(
    vtep=_VTEP,
    segments=(_BLUE, _GREEN),
    ports=(
        Port(device="tap0", segment="blue", sources=(Source(macs[0], f"{ipv4s[0]}/32"), Source(macs[0], "fd00::/64"))),
        Port(device="tap1", segment="blue", sources=(Source(macs[1]), Source(macs[2], "0.0.0.0/0"))),
        Port(device="tap2", segment="green", sources=()),
    ),
    fdb=_FDB[:4],
    neighbours=tuple(
        Neighbour(segment="blue", address=str(address), mac=macs[number])
        for number in range(1, 4)
        for address in (ipv4s[number], ipv6s[number])
    ),
)
"""Ports that may send little, or nothing, and neighbours for whom questions are answered."""

BRIDGED = HostState(
    bridges=(Bridge(name="br0"), Bridge(name="br1", forward_bpdu=True, maxaddress=2)),
    tunnels=(
        Tunnel(name="vx0", bridge="br0", vni=10, vni_out=10, remote=REMOTES[0], local=LOCAL),
        Tunnel(name="vx1", bridge="br0", vni=20, vni_out=20, remote=REMOTES[1], local=LOCAL, vlans=_access(7)),
        Tunnel(name="vx2", bridge="br1", vni=30, vni_out=30, remote=None, local=LOCAL),
    ),
    ports=(
        Port(device="tap0", segment="br0"),
        Port(device="tap1", segment="br0", vlans=Vlans(mode="native-untagged", tag=7)),
        Port(device="tap2", segment="br0", vlans=_access(7)),
        Port(device="tap3", segment="br1", vlans=Vlans(trunks=(0, 7))),
    ),
)
"""Bridges with VLANs inside, and tunnels that carry some."""

SCENES: Mapping[str, HostState] = {"open": OPEN, "secured": SECURED, "bridged": BRIDGED}
