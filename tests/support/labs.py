# SPDX-License-Identifier: Apache-2.0
"""What tests with labs share: two hosts on one link, the examples, and what is left of a lab."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.lab import netns

if TYPE_CHECKING:
    from vxnet.lab import Lab, Node

EXAMPLES = Path(__file__).parents[2] / "examples"
H1, H2 = IPv4Address("192.168.146.131"), IPv4Address("192.168.146.136")
H1_6, H2_6 = IPv6Address("fd00:92::131"), IPv6Address("fd00:92::136")


def two_hosts(lab: Lab) -> tuple[Node, Node]:
    """Make h1 and h2, joined."""
    h1, h2 = lab.host("h1", f"{H1}/24"), lab.host("h2", f"{H2}/24")
    lab.link(h1, h2)
    return h1, h2


def unreachable(node: Node, other: Node | IPv4Address | str, timeout: float = 0.1) -> bool:
    """Ping in vain, and let the node forget that it has asked for the other's MAC.

    Else a ping that is to be answered a moment later waits for that ARP request to be repeated, each second, and is
    lost with it after three (ndisc and arp share the kernel's `mcast_solicit`).
    """
    answered = node.ping(other, timeout=timeout)
    node.ip(f"neighbour flush to {getattr(other, 'address', other)}")
    return not answered


def left_of(lab: Lab) -> list[str]:
    """Return the namespaces there are with the lab's name."""
    return [name for name in netns.names() if name.startswith(f"{lab.name}-")]
