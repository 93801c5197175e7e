# SPDX-License-Identifier: Apache-2.0
"""From the request that creates a port until the first ping that its machine answers, on another host.

    control                    h1, h3                               h2
    [ vxnet server ]           [ vxnet agent ]                      [ vxnet agent ]
                               machine: a namespace, veth,          machine: plugged, and pings
                               address, all there before

    1. POST /v2.0/ports is sent, with host, MAC, address, and the device in binding:profile
    2. from then on, each millisecond, h2's machine asks for the address (ARP); once it is told, it pings
    3. the answer to the POST comes on the way                      told
    4. the first echo reply                                         answered

What is there before, in the cloud of many networks, is what takes long without any of us: making a namespace, a veth.
The pinging machine knows nothing of the new one, and no cache is warm.
"""

from __future__ import annotations

import select
import socket
import struct
import tempfile
import time
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bench.cluster import filling
from bench.cluster.stage import cpu, store_of, unlimited
from bench.cluster.wire import Client
from vxnet.errors import LabError
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud
from vxnet.packet.arp import REPLY, REQUEST, Arp
from vxnet.packet.icmp import IcmpEcho
from vxnet.packet.ip import IPv4
from vxnet.packet.mac import parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from vxnet.lab import Node

PREFIX = IPv4Network("10.8.0.0/21")
PINGER = IPv4Address("10.8.0.2")
FIRST = IPv4Address("10.8.1.0")
HOSTS = ("h1", "h3")
PATIENCE = 10.0
"""Seconds until a machine that does not answer is given up."""

_BROADCAST = b"\xff" * 6
_ARP, _IPV4 = struct.pack("!H", 0x0806), struct.pack("!H", 0x0800)
_ETHERNET = 14
_PROTOCOL_ICMP = 1
_EVERYTHING = 3
"""ETH_P_ALL"""


class First(msgspec.Struct, frozen=True):
    """One port, in seconds from the request: until the server's answer, and until the first answered ping."""

    told: float
    answered: float


class Pings(msgspec.Struct, frozen=True, kw_only=True):
    """All ports of a run, in a cloud of ``networks``; CPU time for each of the server and of one agent, in ms."""

    store: str
    networks: int
    server_cpu_ms: float
    agent_cpu_ms: float
    ports: tuple[First, ...]


class Machine(NamedTuple):
    """One that waits for its port: behind ``device`` on its host."""

    device: str
    host: str
    mac: str
    address: IPv4Address


def pings(kind: str, ports: int, networks: int) -> Pings:
    """Measure so many ports. LabError if one does not answer."""
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as name, ExitStack() as stack:
        folder = Path(name)
        lab = stack.enter_context(Lab.unique("bench-cluster"))
        cloud = Cloud(lab, folder, hosts=3, arguments=("--config", str(unlimited(folder))))
        stack.enter_context(cloud.control.enter())
        cloud.store = cloud.server.store = stack.enter_context(store_of(kind, folder))
        stack.enter_context(cloud)
        token = cloud.server.add_token("bench", "bench", "admin")
        client = stack.enter_context(Client(cloud.server.url, token))
        filling.networks(client, networks)
        network = client.ask("POST", "/v2.0/networks", {"network": {"name": "pinged"}})["network"]["id"]
        client.ask("POST", "/v2.0/subnets", {"subnet": {"network_id": network, "cidr": str(PREFIX), "ip_version": 4}})
        pinger = stack.enter_context(_pinger(cloud, client, network))
        machines = _machines(cloud, ports)
        agents = [cloud.hosts[host].pid for host in HOSTS]
        server = cloud.server.process.pid
        before = cpu(server), sum(map(cpu, agents))
        found = tuple(_first(client, pinger, network, machine) for machine in machines)
        after = cpu(server), sum(map(cpu, agents))
        return Pings(
            store=kind,
            networks=networks,
            server_cpu_ms=(after[0] - before[0]) / ports * 1000,
            agent_cpu_ms=(after[1] - before[1]) / len(agents) / ports * 1000,
            ports=found,
        )


# ---- what is there before ----


def _machines(cloud: Cloud, count: int) -> list[Machine]:
    """Make the machines, each at a veth, on the hosts in turn."""
    machines = []
    for number in range(count):
        host, address = HOSTS[number % len(HOSTS)], FIRST + number
        mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        machine = Machine(f"m{number}", host, mac, address)
        node = cloud.machine(machine.device)
        cloud.lab[host].ip(
            *("link", "add", machine.device, "type", "veth"),
            *("peer", "name", "eth0", "address", mac, "netns", node.namespace),
        )
        with node.enter():
            Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("1")
        node.ip("link", "set", "eth0", "mtu", "1450", "up")
        node.ip("address", "add", f"{address}/{PREFIX.prefixlen}", "dev", "eth0")
        with cloud.lab[host].enter():
            Path(f"/proc/sys/net/ipv6/conf/{machine.device}/disable_ipv6").write_text("1")
        cloud.lab[host].ip("link", "set", machine.device, "up")
        machines.append(machine)
    return machines


class Pinger:
    """The machine that pings, at a packet socket of its device."""

    def __init__(self, node: Node, mac: str) -> None:
        with node.enter():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
            self.socket.bind(("eth0", _EVERYTHING))
        self.socket.settimeout(0)
        self._mac = mac

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, address: IPv4Address) -> None:
        """Ask which MAC has an address."""
        arp = Arp(operation=REQUEST, sender_mac=self._mac, sender_ip=PINGER, target_ip=address)
        self.socket.send(_BROADCAST + parse_mac(self._mac) + _ARP + arp.encode())

    def ping(self, address: IPv4Address, mac: str) -> None:
        """Send an echo request."""
        echo = IcmpEcho(identifier=1, sequence=1)
        packet = IPv4(src=PINGER, dst=address, protocol=_PROTOCOL_ICMP, payload=echo.encode())
        self.socket.send(parse_mac(mac) + parse_mac(self._mac) + _IPV4 + packet.encode())

    def heard(self) -> Iterator[Arp | IPv4]:
        """Yield what has come, of ARP replies and echo replies."""
        while True:
            try:
                frame = self.socket.recv(2048)
            except BlockingIOError:
                return
            kind, rest = frame[12:_ETHERNET], frame[_ETHERNET:]
            if kind == _ARP and (arp := Arp.parse(rest)).operation == REPLY:
                yield arp
            elif kind == _IPV4 and (packet := IPv4.parse(rest)).dst == PINGER:
                yield packet


def _pinger(cloud: Cloud, client: Client, network: str) -> Pinger:
    body = {"port": {"network_id": network, "binding:host_id": "h2", "fixed_ips": [{"ip_address": str(PINGER)}]}}
    port = client.ask("POST", "/v2.0/ports", body)["port"]
    node = cloud.machine("pinger")
    cloud.wait(lambda: port["id"] in cloud.hosts["h2"].vxnet("port", "list").stdout, "h2 to know its port")
    cloud.hosts["h2"].plug(port["id"], node)
    cloud.wait(
        lambda: client.ask("GET", f"/v2.0/ports/{port['id']}")["port"]["status"] == "ACTIVE", "h2's port to be ACTIVE"
    )
    return Pinger(node, port["mac_address"])


# ---- what is measured ----


def _first(client: Client, pinger: Pinger, network: str, machine: Machine) -> First:
    """Create a machine's port; return when it answered. LabError if it does not."""
    port = {
        "network_id": network,
        "mac_address": machine.mac,
        "fixed_ips": [{"ip_address": str(machine.address)}],
        "binding:host_id": machine.host,
        "binding:profile": {"device": machine.device},
    }
    began = time.monotonic()
    client.send("POST", "/v2.0/ports", {"port": port})
    told = answered = 0.0
    mac = ""
    while not told or not answered:
        if not answered:
            pinger.ping(machine.address, mac) if mac else pinger.ask(machine.address)
        waits: list[Client | socket.socket] = [pinger.socket]
        if not told:
            waits.append(client)
        ready, _, _ = select.select(waits, (), (), 0.001)
        if client in ready:
            client.answer()
            told = time.monotonic() - began
        for packet in pinger.heard():
            if isinstance(packet, Arp):
                if packet.sender_ip == machine.address and not mac:
                    mac = packet.sender_mac
                    pinger.ping(machine.address, mac)
            elif packet.src == machine.address and not answered:
                answered = time.monotonic() - began
        if time.monotonic() - began > PATIENCE:
            raise LabError(f"{machine.address} on {machine.host}: its port has no ping answered in {PATIENCE:g} s")
    return First(told, answered)
