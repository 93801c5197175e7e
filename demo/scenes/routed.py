# SPDX-License-Identifier: Apache-2.0
"""Scene d: two VTEPs in different subnets, a router between them. The VMs are neighbours all the same.

1  h1 and h2 reach each other through r1 only
2  a reaches b, as if both were on one cable
3  the proof: the same packets on both cables, with the TTL one less behind the router and other outer MAC addresses
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.bed import made
from demo.proof import decode, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.bed import Bed
    from demo.narration import Narrator
    from demo.proof import Packet
    from vxnet.lab import Capture, Node

VNI = 5001

DRAWING = """
  a 10.0.0.1 --tap-a-- [ h1 ] 192.168.146.131          192.168.147.136 [ h2 ] --tap-b-- 10.0.0.2 b
                                     |                        |
                         eth0 192.168.146.2 [ r1 ] 192.168.147.2 eth1
"""


def play(tell: Narrator) -> None:
    """Tell scene d."""
    with made(tell, "routed") as bed:
        tell.draw(DRAWING)
        with bed.capture("h1", "h1") as at_h1, bed.capture("h2", "h2") as at_h2:
            _reach(bed)
        _proof(bed, at_h1, at_h2)


def _reach(bed: Bed) -> None:
    tell, a, b = bed.tell, bed["a"], bed["b"]
    tell.say("""
        The hosts are in different subnets. Nothing in their files says so: each names the other's address, and the
        underlay's routes lead there, through r1.
    """)
    tell.command("h1", f"ip route get {bed['h2'].address}")
    route = bed["h1"].ip("route", "get", str(bed["h2"].address))
    tell.output(route)
    tell.check("h1's way to h2 leads through r1, 192.168.146.2", "via 192.168.146.2 " in route)
    bed.up()
    bed.ping("a", "b", 3)
    tell.command("a", f"ip neighbour show {b.address}")
    neighbour = a.ip("neighbour", "show", str(b.address))
    tell.output(neighbour)
    tell.check(f"to a, b is a neighbour in its own network: {b.mac}", b.mac in neighbour)


def _proof(bed: Bed, at_h1: Capture, at_h2: Capture) -> None:
    tell = bed.tell
    near, far = decode(at_h1), decode(at_h2)
    tell.say("The proof, captured at h1, on one side of the router, and at h2, on the other.")
    tell.show(f"build/{at_h1.file.name}", table(near, ethernet=True))
    tell.show(f"build/{at_h2.file.name}", table(far, ethernet=True))
    h1, h2 = str(bed["h1"].address), str(bed["h2"].address)
    _crossing(bed, "h1 to h2", _sent(near, h1), _sent(far, h1))
    _crossing(bed, "h2 to h1", _sent(far, h2), _sent(near, h2))
    for host, packets, device in ("h1", near, "eth0"), ("h2", far, "eth1"):
        here, router = bed[host].mac, _mac(bed["r1"], device)
        neighbours = packets and all(set(packet.outer_macs) == {here, router} for packet in packets)
        tell.check(f"at {host}, every packet's outer MAC addresses are {host}'s and r1's ({router})", neighbours)
    tell.check(
        f"every packet goes between {h1} and {h2}, to UDP port 4789, with VNI {VNI}",
        {(frozenset(p.outer), p.ports[1], p.vni) for p in (*near, *far)} == {(frozenset((h1, h2)), 4789, VNI)},
    )


def _sent(packets: Sequence[Packet], host: str) -> list[Packet]:
    return [packet for packet in packets if packet.outer[0] == host]


def _crossing(bed: Bed, way: str, before: list[Packet], after: list[Packet]) -> None:
    """Check that the packets of one direction are the same on both sides of the router, but for the TTL."""
    tell = bed.tell
    what = [[(p.ports, p.vni, p.inner_macs, p.inner) for p in packets] for packets in (before, after)]
    same = before and what[0] == what[1]
    tell.check(f"{way}: the same {len(before)} packets are on both sides, in the same order", same)
    ttls = [(p.ttl, q.ttl) for p, q in zip(before, after, strict=False)]
    first = f", {ttls[0][0]} becomes {ttls[0][1]}" if ttls else ""
    less = ttls and all(there == here - 1 for here, there in ttls)
    tell.check(f"{way}: the router has taken 1 off the outer TTL{first}", less, ttls)


def _mac(node: Node, device: str) -> str:
    """The MAC address of one of a machine's devices, as it says itself."""
    return node.ip("-br", "link", "show", device).split()[2]
