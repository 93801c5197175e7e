# SPDX-License-Identifier: Apache-2.0
"""The agent on real hosts: machines talk; agents, servers and devices come and go, and what forwards goes on."""

from __future__ import annotations

import json
import signal
import time
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap

from tests.support.clustered import Agent, Cluster, cluster_in
from tests.support.watched import PATIENCE, said_of
from vxnet.daemon import control
from vxnet.lab.wait import wait_until
from vxnet.model import HostState, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = IPv4Address("192.168.146.131")
OBSERVED = 1.5
"""Seconds for which nothing may happen: there is no condition that tells of that."""


class Two:
    """A network with a machine on each host, that talk to each other."""

    def __init__(self, cluster: Cluster, cidr: str = "10.0.0.0/24") -> None:
        self.network = cluster.network(cidr)
        self.ports = [cluster.port(self.network, host) for host in ("h1", "h2")]
        self.machines = [cluster.machine() for _ in self.ports]
        for agent, port, machine in zip((cluster.h1, cluster.h2), self.ports, self.machines, strict=True):
            agent.plug(port["id"], machine)
        self.one, self.two = self.machines
        self.address = address(self.ports[1])
        wait_until(lambda: self.one.pings(self.address), timeout=10, what="the machines to talk")

    def delete(self, cluster: Cluster) -> None:
        """Take the ports away, as far as they are there."""
        for port in self.ports:
            cluster.ask("DELETE", f"ports/{port['id']}")
        for machine in self.machines:
            machine.delete()


def address(port: dict[str, Any]) -> str:
    """Return a port's first address."""
    return str(port["fixed_ips"][0]["ip_address"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests of this file."""
    with cluster_in(tmp_path_factory.mktemp("agent")) as cluster:
        yield cluster


@pytest.fixture
def cluster(built: Cluster) -> Cluster:
    """Return it with its server and agents running, whatever the test before did to them."""
    if built.server.process.poll() is not None:
        built.server.start()
    for agent in (built.h1, built.h2):
        if not agent.pid:
            agent.start()
    return built


@pytest.fixture
def two(cluster: Cluster) -> Iterator[Two]:
    """Two machines that talk."""
    made = Two(cluster)
    yield made
    made.delete(cluster)


def changes(agent: Agent) -> int:
    """Return how many changes an agent has told of."""
    return sum(line.startswith(("add ", "change ", "remove ")) for line in agent.log().splitlines())


# ---- what it is for ----


def test_machines_of_a_network_talk(cluster: Cluster, two: Two) -> None:
    """Across hosts and on one host; nothing has to be flooded to be found."""
    third = cluster.port(two.network, "h1")
    machine = cluster.machine()
    cluster.h1.plug(third["id"], machine)
    assert machine.reaches(two.address)
    assert machine.reaches(address(two.ports[0]))
    assert {row.mac for row in cluster.h1.fdb().values()} >= {port["mac_address"] for port in (*two.ports, third)}
    cluster.ask("DELETE", f"ports/{third['id']}")
    wait_until(lambda: third["mac_address"] not in cluster.h2.fdb(), timeout=20, what="the port to go everywhere")


def test_broadcasts_are_bound(cluster: Cluster, two: Two) -> None:
    """An agent that is told so lets through so many a second from a port, and what is not BUM as ever."""
    limit, sent = 10, 300
    cluster.h1.kill()
    cluster.h1.start("--storm-control", str(limit), "--storm-control-total", str(2 * limit))
    try:
        (segment,) = cluster.h1.actual().state.segments
        assert (segment.storm_control, segment.storm_control_total) == (limit, 2 * limit)
        before = cluster.h1.overview().drops["storm"]
        began = time.monotonic()
        two.one.run("ping", "-b", f"-c{sent}", "-i0.002", "-W1", "10.0.0.255", check=False)
        most = limit * (2 + time.monotonic() - began)
        assert sent - most <= cluster.h1.overview().drops["storm"] - before < sent
        assert two.one.pings(two.address)
    finally:
        cluster.h1.kill()
    cluster.h1.start()
    wait_until(lambda: not cluster.h1.actual().state.segments[0].storm_control, timeout=20, what="the bound to go")


def test_hosts_are_probed(cluster: Cluster, two: Two) -> None:
    """An agent that is told so asks the other hosts; a dead one is shown, left out of flooding, and taken back."""
    node1, node2 = cluster.h1.node, cluster.h2.node
    there, options = ip_address(str(node2.address)), ("--probe", "200", "--no-flood-to-dead")

    def until(*, dead: bool) -> None:
        def is_so() -> bool:
            # A flood list that is written at the very moment in which it is read may not be that of any segment.
            left_out = [segment.dead for segment in cluster.h1.actual().state.segments]
            said = said_of(cluster.h1, there)
            return (said.get("by"), said.get("dead"), left_out) == ("probe", dead, [(there,) if dead else ()])

        wait_until(is_so, timeout=PATIENCE, what=f"{there} to be {'dead' if dead else 'alive'}")

    cluster.h1.kill()
    cluster.h1.start(*options)
    try:
        wait_until(lambda: said_of(cluster.h1, there).get("state") == "up", timeout=PATIENCE, what="an answer")
        until(dead=False)
        node2.ip(f"route add blackhole {node1.address}/32")
        try:
            until(dead=True)
            assert "dead" in cluster.h1.vxnet("show").stdout
            cluster.h1.kill()
            cluster.h1.start(*options)
            until(dead=True)
        finally:
            node2.ip(f"route del blackhole {node1.address}/32")
        until(dead=False)
        assert two.one.reaches(two.address)
    finally:
        cluster.h1.kill()
    cluster.h1.start()
    wait_until(lambda: cluster.h1.actual().state.probe is None, timeout=20, what="the probes to end")
    running = control.status(cluster.h1.run_dir)
    assert running
    assert running.remotes == ()


def test_networks_do_not_meet(cluster: Cluster, two: Two) -> None:
    """The same addresses in another network are other machines, and neither hears the other's."""
    other = Two(cluster)
    assert other.address == two.address
    assert other.one.reaches(other.address)
    cluster.h2.vxnet("port", "unplug", two.ports[1]["id"])
    assert not two.one.pings(two.address)
    assert other.one.reaches(other.address)
    other.delete(cluster)


def test_only_its_own_leaves_a_port(cluster: Cluster, two: Two) -> None:
    """Another's address, and another's MAC, go nowhere and are counted; what the port has goes on."""
    target, forged = two.address, "10.0.0.99"

    def spoofed() -> int:
        return int(json.loads(cluster.h1.vxnet("stats", "--json").stdout)["drops"]["spoofed"])

    two.one.run("ip", "address", "add", f"{forged}/24", "dev", "eth0")
    before = spoofed()
    assert not two.one.pings(target, source=forged)
    assert spoofed() > before
    assert two.one.reaches(target)
    two.one.run("ip", "address", "delete", f"{forged}/24", "dev", "eth0")
    mac = two.ports[0]["mac_address"]
    two.one.run("ip", "link", "set", "eth0", "address", "fa:16:3e:ff:ff:ff")
    before = spoofed()
    assert not two.one.pings(target)
    assert spoofed() > before
    two.one.run("ip", "link", "set", "eth0", "address", mac)
    assert two.one.reaches(target)


@pytest.mark.parametrize(("cidr", "question"), [("10.0.0.0/24", 0x0806), ("fd00:8::/64", 0x86DD)], ids=["arp", "nd"])
def test_what_is_known_is_not_asked_for(cluster: Cluster, tmp_path: Path, cidr: str, question: int) -> None:
    """Machines that know no neighbour talk, and no ARP request or solicitation for them goes over the underlay."""
    both = Two(cluster, cidr)
    for machine in both.machines:
        machine.run("ip", "neigh", "flush", "dev", "eth0")
    with cluster.h1.node.capture("eth0", tmp_path / "underlay.pcap", matching="udp port 4789") as capture:
        assert both.one.pings(both.address)
    inner = [Ether(bytes(packet[UDP].payload)[8:]) for packet in rdpcap(str(capture.file))]
    assert {frame.src for frame in inner} >= {port["mac_address"] for port in both.ports}
    asked = [frame for frame in inner if frame.type == question and (ARP in frame or ICMPv6ND_NS in frame)]
    assert asked == []
    both.delete(cluster)


def test_ipv6(cluster: Cluster) -> None:
    """Inside, IPv6 is as good."""
    both = Two(cluster, "fd00:7::/64")
    assert both.one.pings(both.address)
    both.delete(cluster)


def test_a_port_is_active_while_it_forwards(cluster: Cluster, two: Two) -> None:
    """It is DOWN before it is plugged, when it is not to forward, and when its device is set down or vanishes."""
    port = two.ports[1]
    device = f"tap{port['id'][:11]}"
    cluster.wait_for(port, "ACTIVE")
    cluster.update(port, admin_state_up=False)
    cluster.wait_for(port, "DOWN")
    assert not two.one.pings(two.address)
    cluster.update(port, admin_state_up=True)
    cluster.wait_for(port, "ACTIVE")
    assert two.one.reaches(two.address)
    cluster.h2.node.ip(f"link set {device} down")
    cluster.wait_for(port, "DOWN")
    assert f"device {device} is down" in cluster.h2.vxnet("show").stdout
    cluster.h2.node.ip(f"link set {device} up")
    cluster.wait_for(port, "ACTIVE")
    assert two.one.reaches(two.address)
    cluster.h2.node.ip(f"link delete {device}")
    cluster.wait_for(port, "DOWN")
    assert f"device {device} does not exist" in cluster.h2.vxnet("show").stdout


def test_a_port_moves(cluster: Cluster, two: Two) -> None:
    """Bound to another host and plugged there it answers there, with the same MAC and address."""
    port = two.ports[1]
    cluster.update(port, **{"binding:host_id": "h1"})
    wait_until(lambda: port["id"] in (cluster.h1.ports() or {}), what="h1 to hear of it")
    cluster.h2.vxnet("port", "unplug", port["id"])
    machine = cluster.machine()
    cluster.h1.plug(port["id"], machine)
    assert two.one.reaches(two.address)
    cluster.wait_for(port, "ACTIVE")
    wait_until(lambda: not cluster.h2.actual().state.segments, what="h2 to take no part any more")


def test_an_attached_device_of_another_name(cluster: Cluster, two: Two) -> None:
    """A device that is there already is named by binding:profile, or by its alias, and attached at once."""
    for number, settings in enumerate(({"binding:profile": {"device": "mine0"}}, {})):
        port = cluster.port(two.network, "h1", **settings)
        cluster.h1.node.ip(f"link add mine{number} type veth peer name other{number}")
        cluster.h1.node.ip(f"link set other{number} up")
        if not settings:
            cluster.h1.node.ip(f"link set mine{number} alias iface-id={port['id']}")
        cluster.wait_for(port, "ACTIVE")
        cluster.ask("DELETE", f"ports/{port['id']}")
        cluster.h1.node.ip(f"link delete mine{number}")


def test_one_device_that_cannot_be_attached_holds_up_nobody(cluster: Cluster, two: Two) -> None:
    """A port whose device is busy waits and says so; others come and go meanwhile."""
    node = cluster.h1.node
    busy = cluster.port(two.network, "h1", **{"binding:profile": {"device": "busy0"}})
    node.ip("link add busybr type bridge")
    node.ip("link add busy0 master busybr type veth peer name busy1")
    wait_until(lambda: "busy" in (cluster.h1.ports() or {})[busy["id"]]["waits_for"], what="the port to be refused")
    third = cluster.port(two.network, "h1")
    machine = cluster.machine()
    cluster.h1.plug(third["id"], machine)
    assert machine.reaches(two.address)
    cluster.wait_for(third, "ACTIVE")
    assert cluster.status(busy) == "DOWN"
    node.ip("link set busy0 nomaster")
    cluster.wait_for(busy, "ACTIVE")
    for port in (busy, third):
        cluster.ask("DELETE", f"ports/{port['id']}")
    node.ip("link delete busy0")
    node.ip("link delete busybr")


# ---- agents that end ----


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_agent_ends_and_comes_back(cluster: Cluster, two: Two, number: signal.Signals) -> None:
    """No packet is lost meanwhile, nothing is made anew, and its ports are ACTIVE all the time if it is quick."""
    before = changes(cluster.h1)
    with two.one.pinging(two.address) as counts:
        cluster.h1.kill(number)
        cluster.h1.start()
        time.sleep(OBSERVED)
        assert cluster.status(two.ports[0]) == "ACTIVE"
    assert counts[0] == counts[1] > 50
    assert changes(cluster.h1) == before
    cluster.wait_for_both()


def test_what_changed_while_the_agent_was_away(cluster: Cluster, two: Two) -> None:
    """It is done when the agent is back: a port that came, one that went."""
    cluster.h1.kill()
    new = cluster.port(two.network, "h2")
    machine = cluster.machine()
    cluster.h2.plug(new["id"], machine)
    cluster.ask("DELETE", f"ports/{two.ports[1]['id']}")
    cluster.h1.start()
    wait_until(lambda: new["mac_address"] in cluster.h1.fdb(), what="the new port to be known")
    assert two.ports[1]["mac_address"] not in cluster.h1.fdb()
    assert two.one.reaches(address(new))
    two.ports[1] = new


def test_before_a_server_has_spoken_nothing_is_changed(cluster: Cluster, two: Two) -> None:
    """An agent that starts while no server is there leaves the host as it is, and then goes on from there."""
    before = changes(cluster.h1)
    cluster.h1.kill()
    cluster.server.kill()
    cluster.h1.launch()
    wait_until(lambda: "this host goes on as it is" in cluster.h1.log(), timeout=20, what="the agent to find nobody")
    with two.one.pinging(two.address) as counts:
        time.sleep(OBSERVED)
        refused = cluster.h1.refused("port", "list")
        assert refused.startswith("no server has said yet what this host is to be; http://")
        assert f"fault: {cluster.server.url}: " in cluster.h1.vxnet("show").stdout
        cluster.server.start()
        wait_until(lambda: cluster.h1.ports() is not None, timeout=30, what="the agent to be told")
        time.sleep(OBSERVED)
    assert counts[0] == counts[1] > 50
    assert changes(cluster.h1) == before
    cluster.wait_for_both()


def test_one_agent_for_a_run_directory(cluster: Cluster) -> None:
    """A second one is refused, as is a host file; both are told by whom the host is served."""
    words = ("agent", "--server", cluster.server.url, "--host", "h1", "--local", str(cluster.h1.node.address))
    assert str(cluster.h1.run_dir) in cluster.h1.refused(*words)
    refused = cluster.h1.refused("up", str(cluster.h1.file(HostState(vtep=Vtep(local=LOCAL)))))
    assert refused == (
        f"this host is h1 of a cluster, served by vxnet agent (pid {cluster.h1.pid}); "
        "a host file is for hosts of none: `vxnet down` takes this one out"
    )


def test_down_takes_the_host_out(cluster: Cluster, two: Two) -> None:
    """`vxnet down` takes everything away and ends the agent; started again, all is there again."""
    cluster.h1.down()
    assert cluster.h1.pid == 0
    assert cluster.h1.remains() == []
    cluster.h1.start()
    wait_until(lambda: two.one.pings(two.address), timeout=10, what="the machines to talk again")


def test_the_vteps_address_is_gone(cluster: Cluster, two: Two) -> None:
    """A host without its VTEP's address says so; with it, it is as before."""
    node = cluster.h1.node
    node.ip(f"address delete {node.address}/24 dev eth0")
    wait_until(lambda: f"no device has {node.address}" in cluster.h1.vxnet("show").stdout, what="it to be said")
    node.ip(f"address add {node.address}/24 dev eth0")
    wait_until(lambda: two.one.pings(two.address), timeout=40, what="the machines to talk again")


# ---- servers that end ----


def test_the_server_is_away(cluster: Cluster, two: Two) -> None:
    """The hosts go on forwarding, and attach and repair what they know of; the agents find the server again."""
    known = cluster.port(two.network, "h1")
    wait_until(lambda: known["id"] in (cluster.h1.ports() or {}), what="the agent to hear of it")
    machine = cluster.machine()
    with two.one.pinging(two.address) as counts:
        cluster.server.kill()
        cluster.h1.vxnet("port", "plug", known["id"], "--netns", machine.name)
        assert machine.reaches(two.address)
        cluster.server.start()
        cluster.wait_for(known, "ACTIVE")
    assert counts[0] == counts[1] > 20
    new = cluster.port(two.network, "h2")
    wait_until(lambda: new["mac_address"] in cluster.h1.fdb(), timeout=20, what="news to arrive again")
    cluster.wait_for_both()
    for port in (known, new):
        cluster.ask("DELETE", f"ports/{port['id']}")


def test_what_the_kernel_holds_is_told(cluster: Cluster, two: Two) -> None:
    """An audit is answered with what was read back, also what somebody has changed by hand and nobody has mended."""
    told = cluster.audit()
    held = {host: answer["segments"][0] for host, answer in told["answers"].items()}
    assert held.keys() == {"h1", "h2"}
    macs = [port["mac_address"] for port in two.ports]
    assert held["h1"]["ports"] == [two.ports[0]["id"]]
    assert held["h1"]["remotes"] == [str(cluster.h2.node.address)]
    assert sorted(held["h1"]["fdb"]) == sorted([[macs[0], two.ports[0]["id"]], [macs[1], str(cluster.h2.node.address)]])
    assert held["h1"]["vni"] == held["h2"]["vni"]
