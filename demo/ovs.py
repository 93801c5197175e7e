# SPDX-License-Identifier: Apache-2.0
"""The article's experiment, told and proved: `python -m demo.ovs [--switch vxnet|ovs]`.

1  the first half of the script on both hosts: br0 reaches br0, br1 does not reach br1
2  the second half: the tunnel, and br1 reaches br1; `ovs-vsctl show`
3  the proof: what was captured between the hosts is VXLAN, decoded by tshark; kept in build/demo-ovs.pcapng

The commands are the lines of examples/open-vswitch/*.sh, run as they stand there. Exit code 0 if everything held.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from demo.bed import BUILD, EXAMPLES, VXLAN
from demo.narration import PATIENCE, Narrator
from demo.proof import decode, layers, table
from demo.stage import perform, unwind_on_signals
from vxnet.errors import VxnetError
from vxnet.lab import Lab, wait_until
from vxnet.lab.vswitch import KINDS, OVS, VXNET, VSwitch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vxnet.lab import Capture

SCRIPTS = EXAMPLES / "open-vswitch"
BR0 = {"h1": "192.168.146.131", "h2": "192.168.146.136"}
BR1 = {"h1": "10.0.0.1", "h2": "10.0.1.1"}
OTHER = {"h1": "h2", "h2": "h1"}

WHAT = {VXNET: "vxnet ovs-vswitchd", OVS: "the real ovs-vswitchd, userspace datapath"}

DRAWING = """
  +------------- host h1 -------------+                      +------------- host h2 -------------+
  | [ br1 10.0.0.1 ] vx1 ~~~.         |                      |         .~~~ vx1 [ br1 10.0.1.1 ] |
  |                         :         |   192.168.146.0/24   |         :                         |
  | [ br0 192.168.146.131 ] eth0 o----|----------------------|----o eth0 [ br0 192.168.146.136 ] |
  +-----------------------------------+                      +-----------------------------------+
"""


class Bed(NamedTuple):
    """The two hosts, each with a database and a switch, and who tells of them."""

    tell: Narrator
    lab: Lab
    switches: dict[str, VSwitch]

    def script(self, part: str) -> None:
        """Run a part of the article's script on both hosts, line by line."""
        for host, switch in self.switches.items():
            for line in (SCRIPTS / f"{host}.{part}.sh").read_text(encoding="utf-8").splitlines():
                if not line.startswith("#"):
                    self.tell.command(host, line)
                    switch.script(line)

    def ping(self, names: str, addresses: dict[str, str]) -> None:
        """Let each host ping the other's address, and check that it is answered."""
        for host, other in OTHER.items():
            address = addresses[other]
            # The first may be lost, in a switch that has to find its neighbour first: ping -c 3 as a person does it.
            with contextlib.suppress(VxnetError), self.tell.waiting(f"{other} to answer"):
                wait_until(lambda h=host, a=address: self.lab[h].ping(a), timeout=PATIENCE, what=address)  # type: ignore[misc]
            self.tell.command(host, f"ping -c 3 {address}")
            ping = self.lab[host].ping(address, count=3)
            self.tell.check(f"{names} of {host} reaches {names} of {other}", ping, f"{ping.received} of 3")


def main(words: Sequence[str] | None = None) -> int:
    """Tell it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.ovs", description="The article's experiment, by its own script.")
    parser.add_argument("--switch", choices=sorted(KINDS), default=VXNET, help="what serves the database")
    kind = parser.parse_args(words).switch

    def story(tell: Narrator) -> None:
        with _made(tell, kind) as bed:
            _play(bed)

    return perform(f"The article's experiment, with {WHAT[kind]}", story)


@contextlib.contextmanager
def _made(tell: Narrator, kind: str) -> Iterator[Bed]:
    """Build the lab for the length of a ``with`` block, with database and switch running."""
    BUILD.mkdir(exist_ok=True)
    lab = Lab.load(SCRIPTS / "article.lab.toml", name=Lab.unique("demo").name)
    with tempfile.TemporaryDirectory(prefix="vxnet-demo-") as folder, lab:
        bed = Bed(tell, lab, {host: VSwitch(lab[host], Path(folder, host), kind) for host in BR0})
        for switch in bed.switches.values():
            switch.start()
        yield bed


def _play(bed: Bed) -> None:
    tell, lab = bed.tell, bed.lab
    tell.draw(DRAWING)
    tell.say("""
        Two hosts, each with one NIC. On each runs Open vSwitch's own database server with its stock schema, and what
        serves it is told by Open vSwitch's own ovs-vsctl: the commands are the article's.
    """)
    bed.script("bridges")
    bed.ping("br0", BR0)
    for host, other in OTHER.items():
        tell.command(host, f"ping -c 1 {BR1[other]}")
        tell.check(f"br1 of {host} does not reach br1 of {other} yet", not lab[host].ping(BR1[other], timeout=0.5))
    tell.say("""
        Now the tunnel. The two br1 are in different subnets, and the kernel needs a way from one to the other: the
        article does not say which. We use a route on the link.
    """)
    with lab["h1"].capture("eth0", BUILD / "demo-ovs.pcapng", matching=VXLAN) as capture:
        bed.script("tunnel")
        bed.ping("br1", BR1)
    for host, switch in bed.switches.items():
        tell.command(host, "ovs-vsctl show")
        shown = switch.vsctl("show")
        tell.output(shown)
        tell.check(f"ovs-vsctl shows the tunnel of {host}, and no error", "vx1" in shown and "error" not in shown)
    _proof(tell, capture)


def _proof(tell: Narrator, capture: Capture) -> None:
    packets = decode(capture)
    tell.say("The proof: what went over h1's NIC meanwhile.")
    tell.show(f"build/{capture.file.name}", table(packets))
    echoes = [packet for packet in packets if packet.payload]
    tell.check("the pings between the two br1 are there", len(echoes) >= 12, len(echoes))
    ways = {frozenset(packet.outer) for packet in packets}
    tell.check("every packet goes from one br0 to the other", ways == {frozenset(BR0.values())}, ways)
    what = {(packet.ports[1], packet.vni) for packet in packets}
    tell.check("every packet goes to UDP port 4789, with VNI 0, for the tunnel has no key", what == {(4789, 0)}, what)
    if echoes:
        tell.say("One of them, as Wireshark shows it:")
        tell.output(layers(capture, echoes[0].number))


if __name__ == "__main__":
    unwind_on_signals()
    sys.exit(main())
