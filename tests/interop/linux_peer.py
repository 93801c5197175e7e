# SPDX-License-Identifier: Apache-2.0
"""The peer every kernel brings: a Linux bridge with a Linux VXLAN device in it.

VM -- tap [ br0 ] vx0 ~ eth0 -- underlay
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vxnet.lab.wait import wait_until
from vxnet.model import VXLAN_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.lab import Node
    from vxnet.model import IPAddress

BRIDGE, TUNNEL = "br0", "vx0"
ZERO_MAC = "00:00:00:00:00:00"
"""The FDB entry of this MAC is where a VXLAN device floods to."""


class LinuxVxlan:
    """Bridge and VXLAN device on one host; they go with `remove` or with the host.

    BUM goes to ``remote``, to ``group``, or to ``appended``: a remote too, but given to the FDB and not to the device.
    ``options`` are more words for `ip link add ... type vxlan`.
    """

    def __init__(
        self,
        host: Node,
        port: str,
        *,
        vni: int,
        dstport: int = VXLAN_PORT,
        remote: IPAddress | None = None,
        appended: IPAddress | None = None,
        group: IPAddress | None = None,
        options: Iterable[str] = (),
    ) -> None:
        """Make both, and wait until the bridge forwards."""
        self.host = host
        words = ["id", str(vni), "local", str(host.address), "dev", "eth0", "dstport", str(dstport)]
        words += ["remote", str(remote)] if remote else []
        words += ["group", str(group)] if group else []
        host.ip("link", "add", TUNNEL, "type", "vxlan", *words, *options)
        if appended:
            host.run("bridge", "fdb", "append", ZERO_MAC, "dev", TUNNEL, "dst", str(appended))
        # With snooping the bridge itself would speak on the segment: it joins 224.0.0.106 (RFC 4286).
        host.ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for device in (port, TUNNEL):
            host.ip("link", "set", device, "master", BRIDGE, "up")
        host.ip("link", "set", BRIDGE, "up")
        wait_until(self._forwards, what="the bridge to forward")

    def remove(self) -> None:
        """Take both away."""
        for device in (BRIDGE, TUNNEL):
            self.host.ip("link", "delete", device)

    def learned(self) -> dict[str, str]:
        """Return the remotes by the MACs behind them, as `bridge fdb show` has them."""
        rows = self._bridge("fdb", "show", "dev", TUNNEL)
        return {row["mac"]: row["dst"] for row in rows if "dst" in row and row["mac"] != ZERO_MAC}

    def errors(self) -> dict[str, int]:
        """Return the error counters of the VXLAN device that are not zero."""
        counted = json.loads(self.host.ip("-j", "-s", "-s", "link", "show", TUNNEL))[0]["stats64"]
        return {
            f"{way}_{name}": value
            for way in ("rx", "tx")
            for name, value in counted[way].items()
            if value and name not in {"packets", "bytes", "multicast"}
        }

    def packets(self) -> int:
        """Return how many packets have come out of the tunnel."""
        counted = json.loads(self.host.ip("-j", "-s", "link", "show", TUNNEL))[0]["stats64"]
        return int(counted["rx"]["packets"])

    def _forwards(self) -> bool:
        ports = self._bridge("link", "show")
        return len(ports) == 2 and all(port["state"] == "forwarding" for port in ports)

    def _bridge(self, *words: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.host.run("bridge", "-j", *words).stdout)
        return rows
