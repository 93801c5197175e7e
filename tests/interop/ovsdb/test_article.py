# SPDX-License-Identifier: Apache-2.0
"""The article's experiment, by its own script: examples/open-vswitch."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.labs import unreachable
from vxnet.lab import Lab
from vxnet.lab.vswitch import VSwitch

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "open-vswitch"
BR0 = {"h1": IPv4Address("192.168.146.131"), "h2": IPv4Address("192.168.146.136")}
BR1 = {"h1": IPv4Address("10.0.0.1"), "h2": IPv4Address("10.0.1.1")}
GATEWAY = IPv4Address("192.168.146.2")
OTHER = {"h1": "h2", "h2": "h1"}


class Hosts(NamedTuple):
    """Both hosts, with the first half of the script done."""

    lab: Lab
    switches: dict[str, VSwitch]

    def run(self, part: str) -> None:
        """Run one part of the script on both hosts."""
        for host, switch in self.switches.items():
            switch.script((EXAMPLES / f"{host}.{part}.sh").read_text())

    def reach(self, host: str, address: IPv4Address) -> None:
        """Wait until a host reaches an address."""
        self.lab.wait(partial(self.lab[host].ping, address, timeout=0.3), timeout=10.0, what=f"{host} to {address}")


@pytest.fixture(scope="module")
def hosts(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Run the first half; the address moves from the NIC to the bridge meanwhile."""
    folder = tmp_path_factory.mktemp("article")
    with Lab.load(EXAMPLES / "article.lab.toml", name=Lab.unique("article").name) as lab:
        hosts = Hosts(lab, {host: VSwitch(lab[host], folder / host, kind) for host in BR0})
        for switch in hosts.switches.values():
            switch.start()
        hosts.run("bridges")
        yield hosts


def test_the_experiment(hosts: Hosts, tmp_path: Path) -> None:
    """Before the tunnel the two br0 reach one another and the two br1 do not; after it these do, in VXLAN."""
    h1 = hosts.lab["h1"]
    for host, other in OTHER.items():
        for address in (BR0[other], GATEWAY):
            hosts.reach(host, address)
        assert unreachable(hosts.lab[host], BR1[other], 0.2)
    with h1.capture("eth0", tmp_path / "article.pcapng", matching="udp port 4789") as capture:
        hosts.run("tunnel")
        for host, other in OTHER.items():
            hosts.reach(host, BR1[other])
            assert hosts.lab[host].ping(BR1[other], count=5)
    seen = set(capture.fields("ip.src", "ip.dst", "udp.dstport", "vxlan.flags", "vxlan.vni", matching="icmp"))
    ways = [(f"{BR0[a]},{BR1[a]}", f"{BR0[b]},{BR1[b]}", "4789", "0x0800", "0") for a, b in OTHER.items()]
    assert seen == set(ways)
    for host, other in OTHER.items():
        shown = hosts.switches[host].vsctl("show")
        assert "Bridge br1" in shown
        tunnel = f'Interface vx1 type: vxlan options: {{remote_ip="{BR0[other]}"}}'
        assert tunnel in " ".join(shown.split())
        assert "error" not in shown
