# SPDX-License-Identifier: Apache-2.0
"""A real etcd, of one member or of three, which can be killed, stopped and started again.

It is on the loopback of this machine, or of a host of a lab.

FOLDER/m0.etcd  FOLDER/m0.log      http://127.0.0.1:PORT for clients, another port for the other members
FOLDER/m1.etcd  ...
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Self

import httpx

from vxnet.errors import HostError, LabError
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from vxnet.lab.node import Node

PATIENCE = 30.0
"""Seconds a member may take until it serves."""

HEARTBEAT, ELECTION = 50, 500
"""Milliseconds; half of etcd's own, so that a lost leader is missed for half as long."""


class Etcd:
    """``members`` processes of etcd, with their files in ``folder``; they serve when this returns.

    With ``node`` they are there, and nobody elsewhere reaches them.

    HostError where etcd is not installed, LabError, with the end of a log, if a member does not come up.
    """

    def __init__(self, folder: Path, members: int = 1, node: Node | None = None) -> None:
        """Start them all."""
        self.folder = folder
        self._node = node
        folder.mkdir(parents=True, exist_ok=True)
        with self._there():
            ports = _free_ports(2 * members)
        self._clients = [f"127.0.0.1:{port}" for port in ports[:members]]
        self._peers = [f"http://127.0.0.1:{port}" for port in ports[members:]]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        try:
            for member in range(members):
                self._start(member)
            for member in range(members):
                self._wait(member)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """What ``--store`` takes."""
        return f"etcd://{','.join(self._clients)}"

    def address(self, member: int) -> str:
        """Where a member serves clients, HOST:PORT."""
        return self._clients[member]

    def kill(self, member: int) -> None:
        """End a member as a power cut does."""
        self._end(member, signal.SIGKILL)

    def restart(self, member: int) -> None:
        """Start a member that was killed, with what it has on disk, and wait until it serves: it needs a quorum."""
        self._start(member)
        self._wait(member)

    def pause(self, member: int) -> None:
        """Stop a member: its connections stay, and nothing comes from it."""
        self._running[member].send_signal(signal.SIGSTOP)

    def resume(self, member: int) -> None:
        """Let a stopped member go on."""
        self._running[member].send_signal(signal.SIGCONT)

    def leader(self) -> int:
        """Return which member leads. LabError if none does for long."""
        return wait_until(self._leaders, timeout=PATIENCE, what="a leader of etcd")[0]

    def empty(self) -> None:
        """Delete all keys; revisions go on."""
        # A zero byte is the lowest key; as the end of a range it means that there is none.
        everything = {"key": "AA==", "range_end": "AA=="}
        url = f"http://{self._clients[0]}/v3/kv/deleterange"
        with self._there():
            httpx.post(url, json=everything, trust_env=False, timeout=PATIENCE).raise_for_status()

    def log(self, member: int) -> str:
        """What a member has written."""
        return (self.folder / f"m{member}.log").read_text(errors="replace")

    def close(self) -> None:
        """End all members; their files stay."""
        for member in list(self._running):
            self._end(member, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _there(self) -> AbstractContextManager[None]:
        return self._node.enter() if self._node else nullcontext()

    def _start(self, member: int) -> None:
        client, peer = f"http://{self._clients[member]}", self._peers[member]
        cluster = ",".join(f"m{number}={url}" for number, url in enumerate(self._peers))
        words = (
            *("etcd", "--name", f"m{member}", "--data-dir", str(self.folder / f"m{member}.etcd")),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster),
            *("--heartbeat-interval", str(HEARTBEAT), "--election-timeout", str(ELECTION)),
            *("--logger", "zap", "--log-outputs", "stderr", "--log-level", "warn"),
        )
        # What a user has set for the system's etcd is not for this one.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        with (self.folder / f"m{member}.log").open("ab") as log:
            try:
                with self._there():
                    self._running[member] = subprocess.Popen(words, stdout=log, stderr=log, env=clean)
            except FileNotFoundError as error:
                raise HostError("etcd is not installed; apt install etcd-server") from error

    def _wait(self, member: int) -> None:
        def serves() -> bool:
            if (code := self._running[member].poll()) is not None:
                raise LabError(f"etcd m{member} ended with {code}: {self.log(member).strip()[-1000:]}")
            try:
                with self._there():
                    return httpx.get(f"http://{self._clients[member]}/health", trust_env=False, timeout=5).is_success
            except httpx.TransportError:
                return False

        wait_until(serves, timeout=PATIENCE, what=f"etcd m{member} to serve")

    def _leaders(self) -> list[int]:
        leaders = []
        for member in self._running:
            try:
                url = f"http://{self._clients[member]}/v3/maintenance/status"
                with self._there():
                    status = httpx.post(url, json={}, trust_env=False, timeout=1).json()
            except httpx.TransportError:
                continue
            if status.get("leader") == status.get("header", {}).get("member_id"):
                leaders.append(member)
        return leaders

    def _end(self, member: int, number: signal.Signals) -> None:
        process = self._running.pop(member)
        process.send_signal(number)
        process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
