# SPDX-License-Identifier: Apache-2.0
"""Scene c: a cloud of 5000 networks gives tenant 1 VNI 5001, tenant 2 VNI 5002. Same hosts, same IP and MAC addresses.

1  both hosts, with all 5000 networks in their files
2  tenant 1 pings: b1 answers; captures in tenant 2's VMs stay empty
3  tenant 2 pings, with another size: b2 answers; tenant 1's VMs hear nothing of that size
4  the proof: on the cable the tenants' packets differ in the VNI, and in nothing else that a switch could go by
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from demo.bed import made
from demo.proof import decode, table
from vxnet.model import Segment
from vxnet.sources import hostfile

if TYPE_CHECKING:
    from demo.bed import Bed
    from demo.narration import Narrator
    from vxnet.lab import Capture

NETWORKS = 5000
SIZES = {5001: 111, 5002: 222}
"""Bytes in each tenant's echo requests, by VNI: how we tell their packets apart where there is no VNI to see."""

DRAWING = """
  VNI 5001   a1 10.0.0.1 --tap-a1--+                                        +--tap-b1-- 10.0.0.2 b1   tenant 1
                                [ h1 ] 192.168.146.131 ---- 192.168.146.136 [ h2 ]
  VNI 5002   a2 10.0.0.1 --tap-a2--+                                        +--tap-b2-- 10.0.0.2 b2   tenant 2
"""


def play(tell: Narrator) -> None:
    """Tell scene c."""
    with made(tell, "tenants") as bed:
        tell.draw(DRAWING)
        _begin(bed)
        with bed.capture("h1") as wire:
            _ping(bed, 5001, "1", "2")
            _ping(bed, 5002, "2", "1")
        _tables(bed)
        _proof(bed, wire)


def _begin(bed: Bed) -> None:
    tell = bed.tell
    tell.say(f"""
        A cloud has {NETWORKS} VXLAN networks. Tenant 1 makes one more and gets VNI 5001; tenant 2 gets 5002. Both like
        10.0.0.1 and 10.0.0.2, and their VMs even have the same MAC addresses.
    """)
    for one, other in (("a1", "a2"), ("b1", "b2")):
        same = (bed[one].address, bed[one].mac) == (bed[other].address, bed[other].mac)
        tell.check(f"{one} and {other} have the same addresses: {bed[one].address}, {bed[one].mac}", same)
    tell.say(f"""
        To be sure that the others do not matter, both hosts get all {NETWORKS} of them as well: each host's file is the
        one from examples/ with {NETWORKS} segments more.
    """)
    for host, vtep in bed.vteps.items():
        state = hostfile.load(vtep.host_file)
        remotes = state.segments[0].remotes
        cloud = tuple(Segment(name=f"network-{vni}", vni=vni, remotes=remotes) for vni in range(1, NETWORKS + 1))
        vtep.host_file = bed.folder / f"tenants-and-{NETWORKS}-more.{host}.host.toml"
        everything = msgspec.structs.replace(state, segments=(*cloud, *state.segments))
        vtep.host_file.write_text(hostfile.dump(everything), encoding="utf-8")
    bed.up()


def _ping(bed: Bed, vni: int, mine: str, other: str) -> None:
    """Tenant ``mine`` pings from its VM a to its VM b, with captures in the three other VMs."""
    tell, size = bed.tell, SIZES[vni]
    tell.say(f"Tenant {mine} pings, with {size} bytes, while we listen in the other three VMs.")
    listening = {name: _listen(bed, name, mine) for name in (f"b{mine}", f"a{other}", f"b{other}")}
    bed.ping(f"a{mine}", f"b{mine}", 2, size=size)
    heard = {name: _echoes(capture, size) for name, capture in listening.items()}
    expected = {f"b{mine}": 4, f"a{other}": 0, f"b{other}": 0}
    answered = heard[f"b{mine}"] == expected[f"b{mine}"]
    tell.check(f"b{mine} saw 2 requests and 2 replies of {size} bytes: it was b{mine} that answered", answered, heard)
    tell.check(f"a{other} and b{other}, of tenant {other}, saw none of them", heard == expected, heard)
    if mine == "1":
        any_packet = [name for name in (f"a{other}", f"b{other}") if listening[name].fields("frame.number")]
        tell.check("they saw no packet at all: not even tenant 1's ARP broadcast", not any_packet, any_packet)


def _listen(bed: Bed, name: str, pinging: str) -> Capture:
    return bed[name].capture("eth0", bed.folder / f"{name}-while-tenant-{pinging}-pings.pcapng")


def _echoes(capture: Capture, size: int) -> int:
    """How many ICMP echo packets with ``size`` bytes were captured."""
    return len(capture.fields("frame.number", matching=f"icmp && ip.len == {size + 28}"))


def _tables(bed: Bed) -> None:
    tell = bed.tell
    a, b, h1, h2 = bed["a1"].mac, bed["b1"].mac, str(bed["h1"].address), str(bed["h2"].address)
    tell.say("In the tables, the same MAC address stands once for each segment.")
    for host in bed.vteps:
        bed.vteps[host].show_fdb()
    for vni, tenant in (5001, "1"), (5002, "2"):
        for host, wanted in (("h1", {a: f"tap-a{tenant}", b: h2}), ("h2", {a: h1, b: f"tap-b{tenant}"})):
            known = bed.vteps[host].knows(vni)
            words = ", ".join(f"{mac} at {place}" for mac, place in wanted.items())
            tell.check(f"{host}, VNI {vni}: {words}", known == wanted, known)


def _proof(bed: Bed, wire: Capture) -> None:
    tell = bed.tell
    packets = decode(wire)
    tell.say("The proof, captured on the cable between the hosts.")
    tell.show(f"build/{wire.file.name}", table(packets))
    for vni, size in SIZES.items():
        sizes = {packet.payload for packet in packets if packet.vni == vni and packet.payload}
        tell.check(f"VNI {vni} carries echoes of {size} bytes, and no others", sizes == {size}, sizes)
    vnis = {packet.vni for packet in packets}
    tell.check("no other VNI is on the cable", vnis == set(SIZES), vnis)
    tell.check("every packet goes to UDP port 4789", {packet.ports[1] for packet in packets} == {4789})
    macs = [{packet.inner_macs for packet in packets if packet.vni == vni and packet.payload} for vni in SIZES]
    same = macs[0] == macs[1]
    tell.check("inside, both tenants' packets have the same MAC addresses: the VNI alone keeps them apart", same, macs)
