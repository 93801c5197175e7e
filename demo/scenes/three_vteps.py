# SPDX-License-Identifier: Apache-2.0
"""Scene b: the learning story. VNI 10, group 239.1.1.1; A is behind VTEP-1, B behind VTEP-2, nobody behind VTEP-3.

    1  all three join the group
    2  A asks for B: to the group; VTEP-2 and VTEP-3 learn A, VTEP-3 from a frame it drops
    3  B answers: by unicast; VTEP-1 learns B
    4  from now on all is unicast
    5  the proof: one packet to the group, all others from VTEP-1 to VTEP-2 or back

A asks once and waits (retrans_time_ms), and B's answer is held until the tables were seen: no step runs into the next.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from demo.bed import made
from demo.held import holding
from demo.narration import PATIENCE
from demo.proof import decode, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.bed import Bed
    from demo.held import Held
    from demo.narration import Narrator
    from demo.vtep import Vtep
    from vxnet.lab import Capture, Node

VNI = 10
GROUP = "239.1.1.1"

DRAWING = """
  A 10.0.0.1 --tap-a-- [ h1 ] 192.168.146.131 --+            VTEP-1
                                                |
                                            [ fabric ] --- 192.168.146.141 [ h3 ]   VTEP-3
                                                |
  B 10.0.0.2 --tap-b-- [ h2 ] 192.168.146.136 --+            VTEP-2
"""


def play(tell: Narrator) -> None:
    """Tell scene b."""
    with made(tell, "three-vteps") as bed:
        tell.draw(DRAWING)
        bed["a"].run("sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=600000 net.ipv4.neigh.eth0.mcast_solicit=1")
        _join(bed)
        with bed.capture("h1", "vtep-1") as at_1, bed.capture("h3", "vtep-3") as at_3:
            with holding(bed["b"]) as held:
                answer = _ask(bed, held)
                _answer(bed, held, answer)
            _talk(bed)
        _proof(bed, at_1, at_3)


def _join(bed: Bed) -> None:
    tell = bed.tell
    tell.say(f"Each host's file names the segment, VNI {VNI}, and its multicast group {GROUP}. No host knows another.")
    bed.up()
    for number, host in enumerate(bed.vteps, 1):
        tell.expect(f"VTEP-{number} ({host}) has joined {GROUP}", partial(_joined, bed[host]))
    _tables(bed, {}, {}, {})


def _joined(host: Node) -> bool:
    return GROUP in host.ip("maddress show dev eth0")


def _ask(bed: Bed, held: Held) -> bytes:
    """A asks; return B's answer, which waits."""
    tell, a, b = bed.tell, bed["a"], bed["b"]
    tell.say(f"Step 1. A has to know B's MAC address, and asks everybody by ARP: who has {b.address}?")
    tell.command("a", f"ip neighbour add {b.address} dev eth0 use")
    a.ip("neighbour", "add", str(b.address), "dev", "eth0", "use")
    with tell.waiting("B to be asked"):
        answer = held.answer(PATIENCE)
    tell.check("the question has come to B, who wants to answer; we let B wait a little", answer)
    tell.say(f"""
        Step 2. A's frame is a broadcast, so VTEP-1 has sent it to {GROUP}, and both others have got it. Both learn
        from it: A's MAC address is behind VTEP-1, for the packet came from there. VTEP-2 gives the frame to B. VTEP-3
        has no machine in the segment. It drops the frame, but keeps what it has learned.
    """)
    vtep_1 = str(bed["h1"].address)
    _tables(bed, {a.mac: "tap-a"}, {a.mac: vtep_1}, {a.mac: vtep_1})
    dropped = bed.vteps["h3"].drops()
    tell.check("VTEP-3 has dropped 1 frame, for it had no destination", dropped.get("no-destination") == 1, dropped)
    return answer


def _answer(bed: Bed, held: Held, answer: bytes) -> None:
    tell, a, b = bed.tell, bed["a"], bed["b"]
    tell.say("Step 3. B's answer may go. It is for A alone, and VTEP-2 knows where A is: it goes straight to VTEP-1.")
    held.release(answer)
    neighbour = ("neighbour", "show", str(b.address))
    tell.expect(
        f"A has the answer: {b.address} is at {b.mac}",
        lambda: f"lladdr {b.mac}" in a.ip(*neighbour),
        lambda: a.ip(*neighbour).strip(),
    )
    tell.say("""
        Step 4. VTEP-1 gives the answer to A, and learns from it: B is behind VTEP-2. VTEP-2 has learned from B's own
        frame that B is at its port. VTEP-3 has seen nothing of it, and knows what it knew.
    """)
    vtep_1, vtep_2 = str(bed["h1"].address), str(bed["h2"].address)
    _tables(bed, {a.mac: "tap-a", b.mac: vtep_2}, {a.mac: vtep_1, b.mac: "tap-b"}, {a.mac: vtep_1})


def _talk(bed: Bed) -> None:
    bed.tell.say("From now on all is unicast.")
    bed.ping("a", "b", 2)


def _tables(bed: Bed, *expected: Mapping[str, str]) -> None:
    """Show and check what VTEP-1, VTEP-2 and VTEP-3 have in their FDBs."""
    names = {bed["a"].mac: "A", bed["b"].mac: "B"}
    for number, ((host, vtep), wanted) in enumerate(zip(bed.vteps.items(), expected, strict=True), 1):
        words = ", ".join(f"{names[mac]} at {place}" for mac, place in wanted.items()) or "nothing"
        holds = bed.tell.soon(f"the FDB of VTEP-{number}", partial(_knows, vtep, wanted))
        vtep.show_fdb()
        bed.tell.check(f"VTEP-{number} ({host}) knows: {words}", holds)


def _knows(vtep: Vtep, wanted: Mapping[str, str]) -> bool:
    return vtep.knows(VNI) == wanted


def _proof(bed: Bed, at_1: Capture, at_3: Capture) -> None:
    tell = bed.tell
    vtep_1, vtep_2 = str(bed["h1"].address), str(bed["h2"].address)
    packets, seen_by_3 = decode(at_1), decode(at_3)
    tell.say("The proof, captured at VTEP-1 and at VTEP-3.")
    tell.show(f"build/{at_1.file.name}", table(packets))
    tell.show(f"build/{at_3.file.name}", table(seen_by_3))
    ways = [packet.outer for packet in packets]
    question, answer = ways[:1], ways[1:2]
    tell.check(
        f"the first, A's question, goes from VTEP-1 to the group {GROUP}", question == [(vtep_1, GROUP)], question
    )
    tell.check("the second, B's answer, goes by unicast from VTEP-2 to VTEP-1", answer == [(vtep_2, vtep_1)], answer)
    tell.check(
        "all others go by unicast between VTEP-1 and VTEP-2, at least 4",
        len(ways) >= 6 and all(set(way) == {vtep_1, vtep_2} for way in ways[2:]),
        ways[2:],
    )
    tell.check(
        f"every packet goes to UDP port 4789 and carries VNI {VNI}",
        {(packet.ports[1], packet.vni) for packet in packets} == {(4789, VNI)},
    )
    seen = [packet.outer for packet in seen_by_3]
    tell.check("VTEP-3 has seen the question and nothing else", seen == [(vtep_1, GROUP)], seen)
