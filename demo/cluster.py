# SPDX-License-Identifier: Apache-2.0
"""The article's cloud, told and proved: `python -m demo.cluster`.

1  a server, three hosts with agents, and 5000 networks
2  two tenants create a network each, by the real openstack client: VNI 5001, VNI 5002, the same addresses
3  each reaches its own machine and nobody else's; nobody asked the underlay for a MAC
4  a machine moves to another host and answers there
5  `vxnet cluster check`: the store, the server and the kernels of all hosts hold the same

Exit code 0 if everything held. What was captured is kept in build/demo-cluster.pcapng.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.bed import BUILD, VXLAN
from demo.proof import decode, table
from demo.stage import perform, unwind_on_signals
from vxnet.errors import HostError, VxnetError
from vxnet.lab import Lab
from vxnet.lab.cloud import OPENSTACK, Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.narration import Narrator
    from vxnet.lab import Capture, Node

NETWORKS = 5000
MACHINES = {"a": ("h1", "10.0.0.10"), "b": ("h2", "10.0.0.20")}
"""Of each tenant: which host it is on, and its address."""

DRAWING = """
  openstack --> [ control ] vxnet server --- one SQLite file
                     |
        .---------- the network between hosts: IP ----------.
        |                        |                          |
  +--- host h1 ---+        +--- host h2 ---+          +--- host h3 ---+
  | vxnet agent   |        | vxnet agent   |          | vxnet agent   |
  | a1 10.0.0.10  |        | b1 10.0.0.20  | VNI 5001 |               |   tenant 1
  | a2 10.0.0.10  |        | b2 10.0.0.20  | VNI 5002 |               |   tenant 2
  +---------------+        +---------------+          +---------------+
"""


class Bed:
    """The cloud, its machines by name, and who tells of them."""

    def __init__(self, tell: Narrator, cloud: Cloud) -> None:
        self.tell = tell
        self.cloud = cloud
        self.machines: dict[str, Node] = {}
        self.ports: dict[str, dict[str, Any]] = {}

    def openstack(self, line: str, user: str) -> Any:  # noqa: ANN401  (JSON)
        """Run the client as a user, and show the line."""
        self.tell.command(user, f"openstack {line}")
        with self.tell.waiting("the openstack client"):
            return self.cloud.openstack(*shlex.split(line), user=user)

    def plug(self, name: str, host: str) -> None:
        """Bind a machine's port to a host and plug the machine in there."""
        port = self.ports[name]["id"]
        self.openstack(f"port set --host {host} {port}", "admin")
        self.tell.command(host, f"vxnet port plug {name} --netns {self.machines[name].namespace}")
        self.tell.soon(f"{host} to know of {name}", lambda: name in self.cloud.hosts[host].vxnet("port", "list").stdout)
        self.cloud.hosts[host].plug(port, self.machines[name])
        self.tell.expect(f"port {name} is ACTIVE", lambda: self.cloud.status(port) == "ACTIVE")

    def ping(self, name: str, address: str, *, answered: bool) -> None:
        """Let a machine ping an address."""
        self.tell.command(name, f"ping -c 3 {address}")
        ping = self.machines[name].ping(address, count=3, timeout=1.0 if answered else 0.3)
        verb = "is answered" if answered else "is not answered"
        self.tell.check(f"{name}'s ping to {address} {verb}", bool(ping) == answered, f"{ping.received} of 3")


def main() -> int:
    """Tell it, and return the exit code."""
    return perform(f"The article's cloud: {NETWORKS} networks, and two tenants more", _tell)


def _tell(tell: Narrator) -> None:
    if not OPENSTACK.exists():
        raise HostError("the openstack client is not installed; run `make setup`")
    with _made(tell) as bed:
        _play(bed)


@contextlib.contextmanager
def _made(tell: Narrator) -> Iterator[Bed]:
    """Build the cloud for the length of a ``with`` block."""
    BUILD.mkdir(exist_ok=True)
    tell.draw(DRAWING)
    with (
        tempfile.TemporaryDirectory(prefix="vxnet-demo-") as folder,
        Lab.unique("demo") as lab,
        contextlib.ExitStack() as stack,
    ):
        with tell.waiting("the server and three agents to start"):
            cloud = stack.enter_context(Cloud(lab, Path(folder)))
        yield Bed(tell, cloud)


def _play(bed: Bed) -> None:
    tell, cloud = bed.tell, bed.cloud
    tell.say(f"""
        A server with an SQLite file, three hosts with an agent each. {NETWORKS} networks exist already; they were
        created through the API, and no host was told of any: no port of theirs is bound to one.
    """)
    with tell.waiting(f"{NETWORKS} networks to be created"):
        cloud.put("/v2.0/quotas/admin", {"quota": {"network": -1}})
        for begin in range(0, NETWORKS, 1000):
            cloud.post("/v2.0/networks", {"networks": [{"name": f"net-{begin + n}"} for n in range(1000)]})
    agents = bed.openstack("network agent list", "admin")
    tell.output("\n".join(f"{agent['Host']}  {agent['Agent Type']}  alive: {agent['Alive']}" for agent in agents))
    tell.check("three agents are alive", [agent["Alive"] for agent in agents] == [True] * 3, agents)
    with cloud.hosts["h1"].node.capture("eth0", BUILD / "demo-cluster.pcapng", matching=VXLAN) as capture:
        for number in (1, 2):
            _tenant(bed, number)
        _apart(bed)
    _proof(tell, capture)
    _move(bed)
    tell.say("At last: do all who hold something of this hold the same?")
    tell.command("control", f"vxnet cluster check --store {cloud.store}")
    try:
        said = cloud.check()
    except VxnetError as error:
        said = str(error)
    tell.output(said)
    tell.check("the store, the server and three kernels hold the same", "all hold the same" in said)


def _tenant(bed: Bed, number: int) -> None:
    """Let a tenant create a network with two machines."""
    tell, cloud, user = bed.tell, bed.cloud, f"tenant{number}"
    tell.say(f"Tenant {number} creates a network, by the OpenStack client as it comes from PyPI.")
    cloud.user(user, f"project{number}")
    network = bed.openstack("network create blue", user)
    bed.openstack("subnet create --network blue --subnet-range 10.0.0.0/24 blue4", user)
    vni = cloud.openstack("network", "show", network["id"])["provider:segmentation_id"]
    tell.check(f"its VNI is {NETWORKS + number}", vni == NETWORKS + number, vni)
    for letter, (host, address) in MACHINES.items():
        name = f"{letter}{number}"
        bed.machines[name] = cloud.machine(name)
        bed.ports[name] = bed.openstack(
            f"port create --network blue --fixed-ip subnet=blue4,ip-address={address} {name}", user
        )
        bed.plug(name, host)


def _apart(bed: Bed) -> None:
    """Each reaches its own, and nobody reaches the other tenant's."""
    bed.tell.say("Each tenant's machines reach each other, though both tenants use the same addresses.")
    for number in (1, 2):
        bed.ping(f"a{number}", MACHINES["b"][1], answered=True)
    bed.tell.say("Tenant 2 has one machine more. Tenant 1 has none of that address, and reaches nobody by it.")
    bed.machines["c2"] = bed.cloud.machine("c2")
    bed.ports["c2"] = bed.openstack("port create --network blue --fixed-ip ip-address=10.0.0.30 c2", "tenant2")
    bed.plug("c2", "h3")
    bed.ping("a2", "10.0.0.30", answered=True)
    bed.ping("a1", "10.0.0.30", answered=False)
    seen = bed.openstack("network list", "tenant1")
    bed.tell.check("tenant 1 sees one network, its own", len(seen) == 1, len(seen))


def _proof(tell: Narrator, capture: Capture) -> None:
    packets = decode(capture)
    tell.say("What went over h1's NIC meanwhile: VXLAN, each tenant in its own VNI.")
    tell.show(f"build/{capture.file.name}", table(packets[:12]))
    vnis = {packet.vni for packet in packets}
    tell.check("there are packets of VNI 5001 and 5002, and of no other", vnis == {5001, 5002}, vnis)
    asked = [packet for packet in packets if "ARP" in str(packet)]
    unknown = [packet for packet in asked if "10.0.0.30" not in str(packet)]
    tell.check("nobody asked by ARP for an address that the cluster knows", not unknown, len(unknown))


def _move(bed: Bed) -> None:
    """Let a machine move to another host."""
    tell, cloud = bed.tell, bed.cloud
    tell.say("b1 moves from h2 to h3. Its port keeps MAC and address; whoever knew it finds it at its new host.")
    tell.command("h2", "vxnet port unplug b1")
    cloud.hosts["h2"].unplug(bed.ports["b1"]["id"])
    bed.plug("b1", "h3")
    bed.ping("a1", MACHINES["b"][1], answered=True)


if __name__ == "__main__":
    unwind_on_signals()
    sys.exit(main())
