# SPDX-License-Identifier: Apache-2.0
"""A Linux bridge and no overlay: both hosts are plain switches on one wire.

    a -- tap-a [br0] eth0 -------- eth0 [br0] tap-b -- b

Not a rival, as tenants are not kept apart: it is what a frame costs when the kernel itself switches it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bed import Bed
    from vxnet.lab import Node


@contextlib.contextmanager
def running(bed: Bed) -> Iterator[None]:
    """Join port and underlay device in a bridge on both hosts; it goes with the namespace."""
    for host, vm, _ in bed.sides:
        join(host, vm.device, "eth0")
        host.ip("address", "flush", "dev", "eth0")
        host.ip("address", "add", f"{host.address}/24", "dev", "br0")
    yield


def join(host: Node, *devices: str) -> None:
    """Make the bridge br0 of ``devices``: learning on, all that a plain bridge does not need off."""
    # Where br_netfilter is loaded or built in, it takes bridged frames through the IP stack's hooks, which costs
    # up to half of the packets. A Debian host does not load it by itself.
    with host.enter():
        for table in ("arptables", "ip6tables", "iptables"):
            setting = Path(f"/proc/sys/net/bridge/bridge-nf-call-{table}")
            if setting.exists():
                setting.write_text("0", encoding="ascii")
    options = ("stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
    host.ip("link", "add", "br0", "type", "bridge", *options)
    for device in devices:
        host.ip("link", "set", device, "master", "br0", "up")
    host.ip("link", "set", "br0", "up")
