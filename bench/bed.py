# SPDX-License-Identifier: Apache-2.0
"""The lab of one row: two VMs on two hosts, all the same for every row.

    a (10.0.0.1) -- tap-a [h1] eth0 (192.168.146.131) ---- (192.168.146.136) eth0 [h2] tap-b -- (10.0.0.2) b

The VMs' MTU is 1450 everywhere, also where nothing is wrapped: TCP segments are then of the same size in all rows.
"""

from __future__ import annotations

import contextlib
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vxnet.lab import Lab, Node, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

VNI = 5001
"""The segment of the rows that have segments."""

REACHABLE = 20.0
"""Seconds in which a new row has to carry its first frame."""


class Bed(NamedTuple):
    """The machines of one row's lab, and a folder for what its processes keep; both end with the lab."""

    h1: Node
    h2: Node
    a: Node
    b: Node
    folder: Path

    @property
    def sides(self) -> tuple[tuple[Node, Node, Node], ...]:
        """(host, its VM, the other host) for both hosts."""
        return (self.h1, self.a, self.h2), (self.h2, self.b, self.h1)

    def settle(self) -> None:
        """Wait until frames pass both ways: then all neighbours are resolved and all addresses are learned.

        Raises LabError if they do not.
        """
        for here, there in ((self.a, self.b), (self.b, self.a)):
            what = f"{here.namespace} to reach {there.namespace}"
            wait_until(partial(here.ping, there, timeout=0.2), timeout=REACHABLE, what=what)


@contextlib.contextmanager
def made(row: str) -> Iterator[Bed]:
    """Make the lab of ``row``, in namespaces ``bench-ROW-...``; raises LabError or HostError if that fails."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{row}-") as folder, Lab.unique(f"bench-{row}") as lab:
        h1 = lab.host("h1", "192.168.146.131/24")
        h2 = lab.host("h2", "192.168.146.136/24")
        lab.link(h1, h2)
        a = lab.vm("a", on=h1, address="10.0.0.1/24")
        b = lab.vm("b", on=h2, address="10.0.0.2/24")
        yield Bed(h1, h2, a, b, Path(folder))
