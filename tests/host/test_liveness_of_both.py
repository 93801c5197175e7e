# SPDX-License-Identifier: Apache-2.0
"""A host with `[bfd]` and `[probe]` whose remotes are not all alike: each is judged by what it speaks.

                            .-- eth0 [ h2 .136, vxnet with BFD ] --tap-b-- b
a --tap-a-- [ h1 ] eth0 -- s
                            '-- eth0 [ h3 fd00:92::137, Linux's own VXLAN ] --tap-c-- c
"""

from __future__ import annotations

from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.interop.linux_peer import LinuxVxlan
from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.running import Host
from tests.support.watched import PATIENCE, members_of_list, said_of, watching
from vxnet.daemon import control
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.model import Bfd, HostState, Port, Probe, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node
    from vxnet.model import IPAddress

H3_6 = IPv6Address("fd00:92::137")
STATE = HostState(
    vtep=Vtep(local=H1, local6=H1_6),
    bfd=Bfd(min_tx=200, min_rx=200, remotes=(H2, H3_6)),
    probe=Probe(interval=200),
    segments=(
        Segment(name="blue", vni=10, remotes=(H2, H3_6), senders=(f"{H2}/32", f"{H3_6}/128"), flood_to_dead=False),
    ),
    ports=(Port(device="tap-a", segment="blue"),),
)


class Net:
    """The lab, all up."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        node1 = lab.host("h1", [f"{H1}/24", f"{H1_6}/64"])
        node2, self.node3 = lab.host("h2", [f"{H2}/24", f"{H2_6}/64"]), lab.host("h3", f"{H3_6}/64")
        lab.switch("s", node1, node2, self.node3)
        self.a, self.b, self.c = (
            lab.vm(name, on=on, address=f"10.0.0.{at}/24")
            for at, (name, on) in enumerate((("a", node1), ("b", node2), ("c", self.node3)), 1)
        )
        self.h1, self.h2 = Host(node1, folder), Host(node2, folder)
        self.linux = LinuxVxlan(self.node3, "tap-c", vni=10, remote=H1_6, options=("udp6zerocsumrx",))
        self.h2.up(watching(H2, H1, "tap-b"))
        self.h1.up(STATE)

    def by(self) -> dict[str, tuple[str, str, bool]]:
        """Return who judges each remote, its state, and whether it is dead."""
        daemon = control.status(self.h1.run_dir)
        return {row.address: (row.by, row.state, row.dead) for row in daemon.remotes} if daemon else {}

    def until(self, h2: tuple[str, str, bool], h3: tuple[str, str, bool]) -> None:
        """Wait until this is what is said of them."""
        wanted = {str(H2): h2, str(H3_6): h3}
        wait_until(lambda: self.by() == wanted, timeout=PATIENCE, what=str(wanted))

    @contextmanager
    def lost(self, node: Node, at: IPAddress) -> Iterator[None]:
        """Lose what a node sends to an address."""
        node.ip(f"route add blackhole {at}/{at.max_prefixlen}")
        try:
            yield
        finally:
            node.ip(f"route del blackhole {at}/{at.max_prefixlen}")


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """Both peers up; gone afterwards, h1 by the test."""
    with Lab.unique("vxboth") as lab:
        net = Net(lab, tmp_path)
        yield net
        for host in (net.h1, net.h2):
            if host.pid or host.remains():
                host.down()
            assert host.remains() == []


UP, DEAD = ("up", False), ("down", True)


def test_each_by_what_it_speaks(net: Net) -> None:
    """vxnet by BFD, Linux's VXLAN over IPv6 by ping; one's death is not the other's, in lists and in the log."""
    net.until(("bfd", *UP), ("probe", *UP))
    assert net.a.ping(net.b)
    assert net.a.ping(net.c)
    assert net.linux.errors() == {}
    with net.lost(net.node3, H1_6):
        net.until(("bfd", *UP), ("probe", *DEAD))
        wait_until(lambda: members_of_list(net.h1) == [True, False], timeout=PATIENCE, what="a list without h3")
        net.h2.kill()
        net.until(("bfd", *DEAD), ("probe", *DEAD))
        wait_until(lambda: members_of_list(net.h1) == [False, False], timeout=PATIENCE, what="a list of nobody")
        net.h2.up(watching(H2, H1, "tap-b"))
        net.until(("bfd", *UP), ("probe", *DEAD))
    net.until(("bfd", *UP), ("probe", *UP))
    wait_until(lambda: members_of_list(net.h1) == [True, True], timeout=PATIENCE, what="a whole list")
    for address, why in ((H2, "nothing is heard from it"), (H3_6, "it does not answer any more")):
        assert net.h1.log().count(f"remote {address}: dead: {why}\n") == 1


def test_the_next_daemon_judges_by_what_it_hears(net: Net) -> None:
    """BFD that it never heard is not asked: h2, dead by BFD to the last daemon, answers the next one's probes."""
    net.until(("bfd", *UP), ("probe", *UP))
    net.h2.kill()
    net.until(("bfd", *DEAD), ("probe", *UP))
    wait_until(lambda: members_of_list(net.h1) == [False, True], timeout=PATIENCE, what="a list without h2")
    net.h1.kill()
    assert members_of_list(net.h1) == [False, True], "the kernel goes on"
    net.h1.vxnet("up", str(net.h1.file(STATE)))  # not up(): h2 is left out until it has answered
    net.until(("probe", *UP), ("probe", *UP))
    wait_until(lambda: members_of_list(net.h1) == [True, True], timeout=PATIENCE, what="a whole list")
    net.h2.up(watching(H2, H1, "tap-b"))
    net.until(("bfd", *UP), ("probe", *UP))


def test_without_either(net: Net) -> None:
    """Without `[bfd]` the probe judges all; without `[probe]` BFD does, of who speaks none too; then nobody."""
    net.until(("bfd", *UP), ("probe", *UP))
    net.h1.up(replace(STATE, bfd=None))
    net.until(("probe", *UP), ("probe", *UP))
    net.h1.up(replace(STATE, probe=None))
    net.until(("bfd", *UP), ("bfd", "down", False))
    assert net.h1.actual().state.probe is None
    net.h1.up(replace(STATE, bfd=None, probe=None, segments=(replace(STATE.segments[0], flood_to_dead=True),)))
    assert net.by() == {}


def test_another_address(net: Net) -> None:
    """The VTEP is made anew with another address: how to probe is still written down, and remotes are asked."""
    net.h1.up(replace(STATE, bfd=None))
    net.until(("probe", *UP), ("probe", *UP))
    net.h1.node.ip("address add 192.168.146.132/24 dev eth0")
    net.h1.up(replace(STATE, bfd=None, vtep=Vtep(local=IPv4Address("192.168.146.132"), local6=H1_6)))
    assert net.h1.actual().state.probe == STATE.probe
    before = said_of(net.h1, H2)["received"]
    wait_until(lambda: said_of(net.h1, H2)["received"] > before + 3, timeout=PATIENCE, what="answers")
    assert said_of(net.h1, H2)["downs"] == 0


def test_down(net: Net, tmp_path: Path) -> None:
    """`vxnet down`, with a remote dead: nothing of it is left, and nobody is asked any more."""
    net.until(("bfd", *UP), ("probe", *UP))
    with net.lost(net.node3, H1_6):
        net.until(("bfd", *UP), ("probe", *DEAD))
        net.h1.down()
        assert net.h1.remains() == []
        with net.node3.capture("eth0", tmp_path / "quiet.pcapng", matching="icmp6[icmp6type] == 128") as capture:
            net.node3.run("sleep 1")
    assert capture.fields("ipv6.src") == []
    wait_until(lambda: said_of(net.h2, H1).get("remote_state") == "admin-down", timeout=PATIENCE, what="a closed end")
