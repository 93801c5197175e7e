# SPDX-License-Identifier: Apache-2.0
"""The switch on a host of a lab, driven as the daemon drives it but without one, and data to send through it."""

from __future__ import annotations

import hashlib
import json
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from tests.support.running import Host
from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.datapath.report import members
from vxnet.model import DOWN, HostState, Port, Segment, Vtep
from vxnet.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vxnet.datapath.report import Traffic
    from vxnet.lab import Node
    from vxnet.plan import Change

_PATIENCE = 20.0
_CHUNK = 1 << 16


class Switch(Host):
    """The switch of one host; everything `Host` sees of a host, it sees of this one."""

    def __init__(self, node: Node, folder: Path) -> None:
        super().__init__(node, folder)
        with node.enter():
            self._datapath = Datapath(self.run_dir)

    def bring(self, *segments: Segment, ports: dict[str, str] | None = None, **more: Any) -> None:
        """Bring the host to these segments, and ports (segment by device); it is up then.

        ``more`` is `HostState`'s or, for ``dstport``, `Vtep`'s.
        """
        address = self.node.address
        assert isinstance(address, IPv4Address)
        local = {"dstport": more.pop("dstport")} if "dstport" in more else {}
        self.become(
            HostState(
                vtep=Vtep(local=address, **local),
                segments=segments,
                ports=tuple(Port(device=device, segment=segment) for device, segment in (ports or {}).items()),
                **more,
            )
        )

    def take_down(self) -> None:
        """Take the switch away."""
        self.become(DOWN)

    def become(self, state: HostState, failed: dict[str, str] | None = None) -> None:
        """Bring the host to any state. With ``failed``, what cannot be made is noted there by its name."""
        with self.node.enter():
            if failed is None:
                self._datapath.apply(plan(state, read(self.run_dir)))
                assert plan(state, read(self.run_dir)) == ()
                return

            def note(change: Change, error: Exception) -> None:
                failed[change.name] = str(error)

            self._datapath.apply(plan(state, read(self.run_dir)), failed=note)

    def touch(self) -> None:
        """Tell the switch that a route has changed, as the daemon does."""
        with self.node.enter():
            self._datapath.touch()

    def traffic(self) -> dict[str, Traffic]:
        """Return what ports and tunnels have carried."""
        with self.node.enter():
            return members(self.run_dir)

    def packets(self, device: str) -> int:
        """Return how many packets the kernel has received or sent on a device."""
        counted = json.loads(self.node.ip("-j", "-s", "link", "show", device))[0]["stats64"]
        return int(counted["rx"]["packets"]) + int(counted["tx"]["packets"])


def transfer(sender: Node, receiver: Node, to: IPv4Address | IPv6Address | str, size: int) -> bool:
    """Send ``size`` bytes by TCP to the address ``to`` of the receiver; true if they arrive as they were sent."""
    return stream(sender, receiver, to, [random.Random(size).randbytes(size)])


def stream(
    sender: Node,
    receiver: Node,
    to: IPv4Address | IPv6Address | str,
    blocks: Iterable[bytes],
    patience: float = _PATIENCE,
) -> bool:
    """Send ``blocks`` likewise, while they are made; TimeoutError if nothing gets on for ``patience`` seconds."""
    sent = hashlib.sha256()
    family = socket.AF_INET6 if ":" in str(to) else socket.AF_INET
    with receiver.enter():
        server = socket.create_server((str(to), 0), family=family)
    with server, ThreadPoolExecutor(1) as pool:
        server.settimeout(patience)
        received = pool.submit(_receive, server, patience)
        with sender.enter():
            client = socket.create_connection((str(to), server.getsockname()[1]), timeout=patience)
        with client:
            for block in blocks:
                client.sendall(block)
                sent.update(block)
        return received.result() == sent.digest()


def _receive(server: socket.socket, patience: float) -> bytes:
    digest = hashlib.sha256()
    connection, _ = server.accept()
    with connection:
        connection.settimeout(patience)
        while chunk := connection.recv(_CHUNK):
            digest.update(chunk)
    return digest.digest()
