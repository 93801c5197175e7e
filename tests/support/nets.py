# SPDX-License-Identifier: Apache-2.0
"""Two hosts, each with a switch, and two VMs on each.

a --tap-a-- [ h1 .131 ] eth0 ------------- eth0 [ h2 .136 ] --tap-b-- b
c --tap-c----'                                        '------tap-d--- d
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.support.labs import two_hosts
from tests.support.vteps import Switch
from vxnet.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node


class Net(NamedTuple):
    """All that is drawn above, with a switch on each host."""

    h1: Switch
    h2: Switch
    a: Node
    b: Node
    c: Node
    d: Node


@contextmanager
def net_in(folder: Path, prefix: str, *, ipv6: bool = False) -> Iterator[Net]:
    """Build it, the switches down, and take it away again; the VMs have 10.0.0.1 to .4, and fd00::1 to ::4 if asked."""
    with Lab.unique(prefix) as lab:
        h1, h2 = two_hosts(lab)
        a, b, c, d = (
            lab.vm(name, on=host, address=[f"10.0.0.{n}/24", f"fd00::{n}/64"][: 1 + ipv6])
            for name, host, n in (("a", h1, 1), ("b", h2, 2), ("c", h1, 3), ("d", h2, 4))
        )
        net = Net(Switch(h1, folder), Switch(h2, folder), a, b, c, d)
        yield net
        for switch in (net.h1, net.h2):
            switch.take_down()
