# SPDX-License-Identifier: Apache-2.0
"""Waiting until devices that were brought up carry packets.

The kernel brings a veth up in two parts: `ip link set up` returns, and a moment later a worker of the kernel notices
that the other end is up too, puts the queue in place and tells the bridge, if there is one. What is sent in between
vanishes: an ARP request comes again, a multicast packet does not.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from vxnet.lab.steps import BRIDGE, Ip
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.lab.steps import Step


def wait_ready(steps: Iterable[Step]) -> None:
    """Wait until every veth that ``steps`` brought up has a carrier, and forwards if it is a port of a bridge.

    Raises LabError after a few seconds.
    """
    devices: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        match step:
            case Ip(namespace, ("link", "set", device, *what)) if "up" in what and device not in {"lo", BRIDGE}:
                devices[namespace].add(device)
            case _:
                pass
    for namespace, wanted in devices.items():
        awaited = f"{', '.join(sorted(wanted))} in {namespace} to come up"
        wait_until(partial(_all_ready, namespace, wanted), what=awaited)


def _all_ready(namespace: str, wanted: set[str]) -> bool:
    """Whether the ``wanted`` devices carry packets. Asking takes the lock that the kernel's worker holds."""
    done = subprocess.run(("ip", "-n", namespace, "-d", "-j", "link"), capture_output=True, text=True, check=False)
    links: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    ready = {
        link["ifname"]
        for link in links
        if link.get("operstate") == "UP"
        and link.get("linkinfo", {}).get("info_slave_data", {}).get("state", "forwarding") == "forwarding"
    }
    return wanted <= ready
