# SPDX-License-Identifier: Apache-2.0
"""A Linux bridge and Linux's VXLAN device: the overlay every kernel brings.

    a -- tap-a [br0] vx0 ~ eth0 -------- eth0 ~ vx0 [br0] tap-b -- b

One remote for everything unknown, learning on: what vxnet does for a segment with one remote.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.bed import VNI
from bench.rows.bridge import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bed import Bed


@contextlib.contextmanager
def running(bed: Bed) -> Iterator[None]:
    """Make bridge and tunnel on both hosts; they go with the namespace."""
    for host, vm, other in bed.sides:
        tunnel = ("id", str(VNI), "local", str(host.address), "remote", str(other.address), "dev", "eth0")
        # The kernel takes its source port from the ephemeral range unless told: RFC 7348, section 5, says which.
        ports = ("dstport", "4789", "srcport", "49152", "65535")
        host.ip("link", "add", "vx0", "type", "vxlan", *tunnel, *ports, "learning")
        join(host, vm.device, "vx0")
    yield
