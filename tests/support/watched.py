# SPDX-License-Identifier: Apache-2.0
"""Two hosts that watch each other, and what is found of that: by the daemon, and in the kernel's flood list.

a --tap-a-- [ h1 .131 ] eth0 ------------- eth0 [ h2 .136 ] --tap-b-- b
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.running import Host
from vxnet.daemon import control
from vxnet.datapath.flooding import NOBODY, through_tunnels
from vxnet.datapath.slots import Slots
from vxnet.lab.wait import wait_until
from vxnet.model import Bfd, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Lab, Node
    from vxnet.model import IPAddress

PATIENCE = 20.0
"""Seconds for what takes one or two: the machine may be busy."""


class Watched:
    """Both hosts, each watching the other."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.node1, self.node2 = lab.host("h1", [f"{H1}/24", f"{H1_6}/64"]), lab.host("h2", [f"{H2}/24", f"{H2_6}/64"])
        lab.link(self.node1, self.node2)
        self.a = lab.vm("a", on=self.node1, address="10.0.0.1/24")
        self.b = lab.vm("b", on=self.node2, address="10.0.0.2/24")
        self.h1, self.h2 = Host(self.node1, folder), Host(self.node2, folder)

    def up(self, *, h2: bool = True, **blue: object) -> None:
        """Bring both up, or h1 alone, with these settings of the segment on h1."""
        self.h1.up(change(watching(H1, H2, "tap-a"), **blue))
        if h2:
            self.h2.up(watching(H2, H1, "tap-b"))
            self.until(self.h1, H2, state="up")
            self.until(self.h2, H1, state="up")

    def down(self) -> None:
        """Take both down, and see that nothing is left of them."""
        for host in (self.h1, self.h2):
            if host.pid or host.remains():
                host.down()
            assert host.remains() == []

    def until(self, host: Host, remote: IPAddress, **wanted: object) -> dict[str, Any]:
        """Wait until a host's daemon says this of a remote; return all it says."""
        wait_until(lambda: wanted.items() <= said_of(host, remote).items(), timeout=PATIENCE, what=f"{remote} {wanted}")
        return said_of(host, remote)

    @contextmanager
    def cut(self, *, one_way: bool = False) -> Iterator[None]:
        """Lose what the hosts send to each other, or (``one_way``) what h1 sends, with no device going down."""
        ways = [(node, at) for node, ats in self._others() for at in ats if node is self.node1 or not one_way]
        for node, at in ways:
            node.ip(f"route add blackhole {at}/{at.max_prefixlen}")
        try:
            yield
        finally:
            for node, at in ways:
                node.ip(f"route del blackhole {at}/{at.max_prefixlen}")

    def _others(self) -> tuple[tuple[Node, tuple[IPAddress, ...]], ...]:
        return (self.node1, (H2, H2_6)), (self.node2, (H1, H1_6))


def watching(local: IPAddress, remote: IPAddress, device: str) -> HostState:
    """Return a host's state: one segment with one remote, watched."""
    return HostState(
        vtep=Vtep(local=local),
        bfd=Bfd(min_tx=200, min_rx=200, remotes=(remote,)),
        segments=(Segment(name="blue", vni=10, remotes=(remote,), senders=(f"{remote}/{remote.max_prefixlen}",)),),
        ports=(Port(device=device, segment="blue"),),
    )


def change(state: HostState, **blue: object) -> HostState:
    """Return it with other settings of the segment."""
    return replace(state, segments=(replace(state.segments[0], **blue),))


def said_of(host: Host, remote: IPAddress) -> dict[str, Any]:
    """Return what the daemon says of a watched remote."""
    daemon = control.status(host.run_dir)
    rows = map(msgspec.structs.asdict, daemon.remotes if daemon else ())
    return next((row for row in rows if row["address"] == str(remote)), {})


def row_of(host: Host, remote: IPAddress) -> dict[str, Any]:
    """Return what the kernel has of a remote of the segment."""
    rows = map(msgspec.structs.asdict, host.overview().segments[0].remotes)
    return next(row for row in rows if row["address"] == remote)


def members_of_list(host: Host) -> list[bool]:
    """Return, for each remote on the segment's flood list, whether anything goes there."""
    with host.found() as maps:
        slots = Slots(maps)
        slot = slots.domain_of("blue") or 0
        return [place.member != NOBODY for place in through_tunnels(maps.flood, slots, slot)]
