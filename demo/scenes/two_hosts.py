# SPDX-License-Identifier: Apache-2.0
"""Scene a: two hosts, one segment, each with the other's address in `remotes`. No ping before, ping after.

1  h1 reaches h2, a does not reach b
2  vxnet up on both hosts: a reaches b
3  the proof: each packet between the hosts is VXLAN, port 4789, VNI 5001
4  vxnet down: a does not reach b, and nothing of vxnet is left
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from demo.bed import VXLAN, made
from demo.proof import decode, layers, table

if TYPE_CHECKING:
    from demo.bed import Bed
    from demo.narration import Narrator
    from vxnet.lab import Node

VNI = 5001

DRAWING = """
      VM a             host h1                              host h2              VM b
  +----------+     +-------------+                      +-------------+     +----------+
  |    eth0 o|-----|o tap-a eth0 o|--------------------|o eth0 tap-b o|-----|o eth0    |
  | 10.0.0.1 |     |      .131    |   192.168.146.0/24  |   .136       |     | 10.0.0.2 |
  +----------+     +-------------+                      +-------------+     +----------+
"""


def play(tell: Narrator) -> None:
    """Tell scene a."""
    with made(tell, "two-hosts") as bed:
        tell.draw(DRAWING)
        _before(bed)
        _after(bed)
        _down(bed)


def _before(bed: Bed) -> None:
    tell, a, b = bed.tell, bed["a"], bed["b"]
    tell.say("""
        Two hosts on one cable, the underlay. Each has a VM, whose cable ends in its host: there is no way from a to b
        yet.
    """)
    bed.ping("h1", "h2", 1)
    with bed["h1"].capture("eth0", bed.folder / "before.pcapng", matching=f"host {b.address} or {VXLAN}") as capture:
        tell.command("a", f"ping -c 1 {b.address}")
        answered = a.ping(b)
    tell.check("a does not reach b", not answered)
    packets = capture.fields("frame.number")
    # Or its kernel would wait for the answer to that question first.
    a.ip("neighbour", "delete", str(b.address), "dev", "eth0")
    tell.check("a's question for b never comes to the cable between the hosts", not packets, f"{len(packets)} packets")


def _after(bed: Bed) -> None:
    tell, a, b = bed.tell, bed["a"], bed["b"]
    tell.say(f"""
        Now vxnet, with one file a host: its own address, a segment with VNI {VNI}, the other host's address in remotes,
        and tap-a or tap-b as port of the segment.
    """)
    with bed.capture("h1") as capture:
        bed.up()
        bed.ping("a", "b", 3)
    tell.say("What h1 knows now: a is at its own port, b is behind the address of h2.")
    bed.vteps["h1"].show_fdb()
    known = bed.vteps["h1"].knows(VNI)
    expected = {a.mac: "tap-a", b.mac: str(bed["h2"].address)}
    tell.check("h1 has a at tap-a, and b behind 192.168.146.136", known == expected, known)

    packets = decode(capture)
    tell.say(
        "The proof, captured on the cable between the hosts. The first packet, layer by layer, as tshark reads it:"
    )
    tell.output(layers(capture, 1))
    tell.show(f"build/{capture.file.name}", table(packets))
    addresses = {str(bed["h1"].address), str(bed["h2"].address)}
    tell.check("there are at least 8 packets: 2 of ARP, 3 echo requests, 3 replies", len(packets) >= 8, len(packets))
    tell.check(
        "outside, every packet goes from host to host; no address of a VM is seen",
        packets and all(set(packet.outer) == addresses for packet in packets),
    )
    tell.check(
        "every packet goes to UDP port 4789, from a port between 49152 and 65535",
        packets and all(packet.ports[1] == 4789 and packet.ports[0] >= 49152 for packet in packets),
    )
    tell.check(f"every packet carries VNI {VNI}", {packet.vni for packet in packets} == {VNI})
    tell.check(
        "inside is a's and b's own frame, with their own MAC addresses",
        packets and all(set(packet.inner_macs) <= {a.mac, b.mac, "ff:ff:ff:ff:ff:ff"} for packet in packets),
    )


def _down(bed: Bed) -> None:
    tell, a, b = bed.tell, bed["a"], bed["b"]
    tell.say("And back again.")
    bed.down()
    tell.check("a does not reach b any more", not a.ping(b))
    for host in ("h1", "h2"):
        left = _left(bed[host])
        tell.check(f"nothing of vxnet is left in {host}: no device, no program", not left, left)


def _left(host: Node) -> list[str]:
    """VXLAN devices, and devices with programs on them, that are in ``host``."""
    left = []
    for link in json.loads(host.ip("-j", "-d", "link")):
        device = link["ifname"]
        vxlan = link.get("linkinfo", {}).get("info_kind") == "vxlan"
        if vxlan or host.run("tc", "filter", "show", "dev", device, "ingress").stdout:
            left.append(device)
    return left
