# SPDX-License-Identifier: Apache-2.0
"""A cluster in a lab: a control host with the server, hosts with agents, and machines that are plugged into ports.

    openstack, curl ... [ control 192.168.146.10 ] vxnet server
                                  |
            .---------------- switch ----------------.
    [ h1 .131 ] vxnet agent   [ h2 .132 ] ...    [ hN ]
       '-- tap3a8f1c2e-4b == eth0 machine

Everything goes through what people use: the server's HTTP, `vxnet cluster`, `vxnet port`, the openstack client.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from vxnet.errors import LabError
from vxnet.lab.apiserver import ApiServer
from vxnet.lab.etcd import Etcd
from vxnet.lab.vswitch import vxnet
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from vxnet.lab.lab import Lab
    from vxnet.lab.node import Node

CONTROL = "192.168.146.10"
PORT = 9696
"""Of the first server; the others have the next ones."""

FIRST_HOST = 131
UNUSED = IPv4Address("198.18.0.0")
"""Where addresses of machines begin that nobody uses (RFC 2544)."""

OPENSTACK = Path(sys.prefix) / "openstack" / "bin" / "openstack"
"""The client, in an environment of its own (scripts/setup)."""

PASSWORD = "correct horse"  # noqa: S105  (of a lab)
PATIENCE = 30.0


class AgentHost:
    """One host: its node, its agent as a process, and its run directory in ``folder``."""

    def __init__(
        self, node: Node, folder: Path, token: str, servers: str, env: Mapping[str, str] | None = None
    ) -> None:
        self.node = node
        self.name = node.name
        self.run_dir = folder / node.name
        self._servers = servers
        self._env = os.environ | (env or {})
        self._token = folder / f"{node.name}.token"
        self._token.touch(0o600)
        self.use(token)
        self._log = folder / f"{node.name}.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start the agent; it does not wait for the server."""
        local = str(self.node.addresses[-1])
        words = ("agent", "--server", self._servers, "--host", self.name, "--local", local)
        with self._log.open("a") as log:
            self._process = self.node.popen(
                *vxnet(),
                *words,
                "--token-file",
                str(self._token),
                "--run-dir",
                str(self.run_dir),
                stdout=log,
                stderr=log,
                env=self._env,
            )
        return self

    def use(self, token: str) -> None:
        """Put a token into its file; an agent that is refused reads it anew."""
        self._token.write_text(f"{token}\n")

    @property
    def pid(self) -> int:
        """The process of the agent. LabError if none was started."""
        if self._process is None:
            raise LabError(f"{self.name}: its agent was not started")
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the agent."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE)

    def vxnet(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `vxnet` there."""
        return self.node.run(*vxnet(), *words, "--run-dir", str(self.run_dir), check=check)

    def plug(self, port: str, machine: Node, *options: str) -> None:
        """Give a machine the device of a port."""
        self.vxnet("port", "plug", port, "--netns", machine.namespace, *options)

    def unplug(self, port: str) -> None:
        """Take it away."""
        self.vxnet("port", "unplug", port)

    def log(self) -> str:
        """What the agent has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class Cloud:
    """A cluster of ``hosts`` hosts in ``lab``, with its files in ``folder``; used as a context manager.

    ``store`` is a URL; a SQLite file in ``folder`` unless given, or, with more than one of ``servers``, an etcd of
    three members on the control host. ``arguments`` are more of `vxnet server`, ``env`` more of what all processes are
    started with, and ``way`` the URL at which agents find the servers, if not straight. With ``ipv6`` the hosts' VTEPs
    have IPv6 addresses. There is an administrator, "admin".
    """

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        hosts: int = 3,
        *,
        store: str = "",
        servers: int = 1,
        arguments: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        way: str = "",
        ipv6: bool = False,
    ) -> None:
        """Build the lab; of what runs in it, only an etcd does yet."""
        self.lab = lab
        self.folder = folder
        self.control = lab.host("control", f"{CONTROL}/24")
        places = ((f"192.168.146.{FIRST_HOST + n}/24", f"fd00:92::{FIRST_HOST + n}/64") for n in range(hosts))
        nodes = [lab.host(f"h{n}", addresses[: 1 + ipv6]) for n, addresses in enumerate(places, 1)]
        lab.switch("fabric", self.control, *nodes)
        self._stack = ExitStack()
        self._etcd: Etcd | None = None
        if servers > 1:
            self._etcd = self._stack.enter_context(Etcd(folder / "etcd", 3, self.control))
            self.store = self._etcd.url
        else:
            self.store = store or f"sqlite://{folder}/cluster.db"
        listening = [f"{CONTROL}:{PORT + n}" for n in range(servers)]
        self.servers = [
            ApiServer(folder, self.store, *arguments, name=f"server{n or ''}", listen=at, node=self.control, env=env)
            for n, at in enumerate(listening)
        ]
        self.server = self.servers[0]
        """The one that is asked."""
        self._way = way or ",".join(f"http://{at}" for at in listening)
        self._env = env
        self._nodes = nodes
        self.hosts: dict[str, AgentHost] = {}

    def __enter__(self) -> Self:
        try:
            self.server.add_user("admin", "admin", "admin", PASSWORD)
            for server in self.servers:
                self._stack.enter_context(server)
            for node in self._nodes:
                token = self.server.agent_token(node.name)
                self.hosts[node.name] = AgentHost(node, self.folder, token, self._way, self._env).start()
            for host in self.hosts.values():
                self._stack.callback(host.stop)
            self.wait(lambda: self._alive() == len(self._nodes), "every agent to be alive")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _alive(self) -> int:
        return sum(agent["alive"] for agent in self.get("/v2.0/agents")["agents"])

    @property
    def etcd(self) -> Etcd:
        """The store of several servers. LabError if there is one server."""
        if self._etcd is None:
            raise LabError("this cloud has one server, and no etcd")
        return self._etcd

    def listening(self, *servers: ApiServer) -> set[str]:
        """Return the hosts whose agents listen at one of these servers, or at any."""
        told = [self._fine(self.ask("POST", "/cluster/v1/audit", at=server)) for server in servers or self.servers]
        return {host for each in told for host in each["answers"]}

    def machine(self, name: str) -> Node:
        """Return a namespace with nothing in it, which is there until the lab goes."""
        return self.lab.host(name, f"{UNUSED + len(list(self.lab))}/32")

    def user(self, name: str, project: str, role: str = "member") -> None:
        """Add a user, whose password is PASSWORD."""
        self.server.add_user(name, project, role, PASSWORD)

    # ---- asking ----

    def openstack(self, *words: str, user: str = "admin", check: bool = True) -> Any:  # noqa: ANN401  (JSON)
        """Run the real client on the control host. Return what it prints, as JSON if it shows something."""
        env = self.server.as_user(user, PASSWORD)
        shows = words[1] in {"create", "show", "list"} or words[2:3] in {("list",), ("show",)}
        form = ("-f", "json") if shows else ()
        done = self.control.run(str(OPENSTACK), *words, *form, env=env, check=check)
        if not check:
            return done
        return json.loads(done.stdout) if shows else done.stdout

    def ask(
        self, method: str, path: str, body: object = None, user: str = "admin", at: ApiServer | None = None
    ) -> httpx.Response:
        """Send one request to the server, or to another one, from the control host."""
        url = f"{(at or self.server).url}{path}"
        with self.control.enter():
            return httpx.request(method, url, json=body, auth=(user, PASSWORD), timeout=PATIENCE, trust_env=False)

    def get(self, path: str, user: str = "admin", at: ApiServer | None = None) -> Any:  # noqa: ANN401  (JSON)
        """Return what a GET answers, at the server or at another one. LabError unless it is fine."""
        return self._fine(self.ask("GET", path, user=user, at=at))

    def post(self, path: str, body: object, user: str = "admin") -> Any:  # noqa: ANN401  (JSON)
        """Return what a POST answers. LabError unless it is fine."""
        return self._fine(self.ask("POST", path, body, user=user))

    def put(self, path: str, body: object, user: str = "admin") -> Any:  # noqa: ANN401  (JSON)
        """Return what a PUT answers. LabError unless it is fine."""
        return self._fine(self.ask("PUT", path, body, user=user))

    @staticmethod
    def _fine(answer: httpx.Response) -> Any:  # noqa: ANN401  (JSON)
        if answer.is_error:
            raise LabError(f"{answer.request.method} {answer.request.url}: {answer.status_code}: {answer.text}")
        return answer.json()

    # ---- waiting ----

    def status(self, port: str) -> str:
        """Return a port's status."""
        status: str = self.get(f"/v2.0/ports/{port}")["port"]["status"]
        return status

    def wait(self, condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
        """Wait until ``condition`` holds."""
        wait_until(condition, timeout=timeout, what=what)

    def check(self) -> str:
        """Run `vxnet cluster check` on the control host; return what it prints. LabError if anything differs."""
        done = self.control.run(*vxnet(), "cluster", "check", "--store", self.store, check=False)
        if done.returncode:
            raise LabError(f"vxnet cluster check: {done.stdout}{done.stderr}")
        return done.stdout
