# SPDX-License-Identifier: Apache-2.0
"""A cluster in a lab: a server, an agent on each of two hosts, and machines in namespaces whose ports are plugged.

         [ cp ] vxnet server, SQLite
           |
  ---------+--------- switch
  |                 |
[ h1 ] agent      [ h2 ] agent
  |                 |
machines: network namespaces, made and plugged by the tests
"""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from tests.support.running import CLI, Host
from vxnet.lab import Lab
from vxnet.lab.apiserver import ApiServer
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

USER = "root", "a secret"


class Agent(Host):
    """The agent of a host, as a process of the lab."""

    def __init__(self, node: Node, folder: Path, servers: str, token: str) -> None:
        super().__init__(node, folder)
        self.run_dir.mkdir(exist_ok=True)
        self.servers = servers
        self.token_file = folder / f"{node.name}.token"
        self.token_file.write_text(f"{token}\n")
        self._log = folder / f"{node.name}.log"

    def launch(self, *options: str) -> None:
        """Start it and do not wait."""
        words = (
            "agent",
            *options,
            "--server",
            self.servers,
            "--host",
            self.node.name,
            "--local",
            str(self.node.address),
        )
        with self._log.open("a") as log:
            self.node.popen(
                *CLI,
                *words,
                *("--token-file", str(self.token_file), "--run-dir", str(self.run_dir)),
                stdout=log,
                stderr=log,
            )

    def start(self, *options: str) -> None:
        """Start it and wait until a server has told it what the host is to be."""
        self.launch(*options)
        wait_until(lambda: self.pid and self.ports() is not None, timeout=20, what="the agent to be told something")

    def log(self) -> str:
        """Return what it has said."""
        return self._log.read_text()

    def kill(self, number: signal.Signals | None = None) -> None:
        """End the agent, as a crash does unless a signal is given."""
        super().kill(*(() if number is None else (number,)))

    def ports(self) -> dict[str, dict[str, Any]] | None:
        """Return what `vxnet port list` says, by the ports' ids; None while there is nobody to ask."""
        done = self.vxnet("port", "list", "--json", check=False)
        return None if done.returncode else {port["id"]: port for port in json.loads(done.stdout)}

    def plug(self, port: str, machine: Machine) -> str:
        """Plug a port into a machine and return what that prints."""
        return self.vxnet("port", "plug", port, "--netns", machine.name).stdout


class Machine:
    """A network namespace with nothing in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        subprocess.run(("ip", "netns", "add", name), check=True)

    def delete(self) -> None:
        """Take it away, if it is still there."""
        subprocess.run(("ip", "netns", "delete", self.name), check=False, capture_output=True)

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command there and return what it prints."""
        command = ("nsenter", f"--net=/run/netns/{self.name}", *words)
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    def pings(self, address: str, *, source: str = "") -> bool:
        """Tell whether an address answers one ping, from any or from this source."""
        sent = ("ping", "-c1", "-W1", *(("-I", source) if source else ()), address)
        words = ("nsenter", f"--net=/run/netns/{self.name}", *sent)
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def reaches(self, address: str) -> bool:
        """Wait until an address answers: other hosts are told of a new port a moment after its own."""
        return bool(wait_until(lambda: self.pings(address), timeout=20, what=f"{address} to answer"))

    @contextmanager
    def pinging(self, address: str, interval: float = 0.02) -> Iterator[list[int]]:
        """Ping all through the block; the list then has how many were sent, and how many came back."""
        words = ("nsenter", f"--net=/run/netns/{self.name}", "ping", f"-i{interval}", "-W2", address)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        counts: list[int] = []
        try:
            yield counts
        finally:
            process.send_signal(2)
            told = process.communicate(timeout=10)[0]
        line = next(line for line in told.splitlines() if "packets transmitted" in line)
        counts += [int(line.split()[0]), int(line.split()[3])]


class Cluster:
    """The cluster drawn above, with the API as its administrator uses it."""

    def __init__(self, lab: Lab, folder: Path, stack: ExitStack) -> None:
        self._lab = lab
        self._stack = stack
        addresses = {"cp": "192.168.146.200/24", "h1": "192.168.146.131/24", "h2": "192.168.146.136/24"}
        nodes = [lab.host(name, address) for name, address in addresses.items()]
        lab.switch("sw", *nodes)
        self.cp = nodes[0]
        listen = f"{self.cp.address}:9696"
        self.server = ApiServer(folder, f"sqlite://{folder}/cluster.db", listen=listen, node=self.cp)
        stack.callback(self.server.close)
        self.server.start()
        self.server.add_user(USER[0], "admin", "admin", USER[1])
        self.h1, self.h2 = (
            Agent(node, folder, self.server.url, self.server.agent_token(node.name)) for node in nodes[1:]
        )
        self._machines = 0

    def machine(self) -> Machine:
        """Make a namespace that is gone at the end of the test."""
        self._machines += 1
        made = Machine(f"{self._lab.name}.m{self._machines}")
        self._stack.callback(made.delete)
        return made

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API for something and return what is in its answer."""
        answer = self._request(method, f"v2.0/{path}", body)
        return next(iter(answer.values())) if answer else None

    def audit(self) -> Any:
        """Ask what the hosts hold."""
        return self._request("POST", "cluster/v1/audit")

    def wait_for_both(self) -> None:
        """Wait until both agents listen to the server, which was away: the next one is asked after up to 15 s."""
        wait_until(lambda: self.audit()["answers"].keys() == {"h1", "h2"}, timeout=30, what="both agents to listen")

    def _request(self, method: str, path: str, body: object = None) -> Any:
        with self.cp.enter(), httpx.Client(auth=USER, trust_env=False, timeout=30) as client:
            answer = client.request(method, f"{self.server.url}/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def network(self, cidr: str, **settings: object) -> dict[str, Any]:
        """Make a network with one subnet; the settings are the subnet's."""
        network: dict[str, Any] = self.ask("POST", "networks", {"network": {"name": "blue"}})
        version = 6 if ":" in cidr else 4
        subnet = {"network_id": network["id"], "cidr": cidr, "ip_version": version, **settings}
        self.ask("POST", "subnets", {"subnet": subnet})
        return network

    def port(self, network: dict[str, Any], host: str = "", **settings: object) -> dict[str, Any]:
        """Make a port, bound to a host."""
        asked = {"network_id": network["id"], "binding:host_id": host, **settings}
        made: dict[str, Any] = self.ask("POST", "ports", {"port": asked})
        return made

    def update(self, port: dict[str, Any], **settings: object) -> None:
        """Change a port."""
        self.ask("PUT", f"ports/{port['id']}", {"port": settings})

    def status(self, port: dict[str, Any]) -> str:
        """Return a port's status."""
        return str(self.ask("GET", f"ports/{port['id']}")["status"])

    def wait_for(self, port: dict[str, Any], status: str) -> None:
        """Wait until a port has this status."""
        wait_until(lambda: self.status(port) == status, timeout=15, what=f"the port to be {status}")


@contextmanager
def cluster_in(folder: Path, *, agents: bool = True) -> Iterator[Cluster]:
    """Build the cluster, with its agents running, and take it away again."""
    with ExitStack() as stack, Lab.unique("agent") as lab:
        cluster = Cluster(lab, folder, stack)
        if agents:
            cluster.h1.start()
            cluster.h2.start()
        yield cluster
