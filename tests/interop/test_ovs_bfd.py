# SPDX-License-Identifier: Apache-2.0
"""vxnet and Open vSwitch watch each other by BFD: what one says the other understands (RFC 5880, RFC 8971).

a --tap-a-- [ h1: vxnet ] eth0 ------ eth0 [ h2: Open vSwitch ] --tap-b-- b     blue, VNI 5001; BFD in VNI 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from tests.interop.ovs_peer import OpenVSwitch
from tests.support.labs import H1, H2, two_hosts
from tests.support.running import Host
from vxnet.daemon import control
from vxnet.lab import Lab
from vxnet.lab.wait import wait_until
from vxnet.model import Bfd, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = HostState(
    vtep=Vtep(local=H1),
    bfd=Bfd(min_tx=300, min_rx=300, remotes=(H2,)),
    segments=(Segment(name="blue", vni=5001, remotes=(H2,), senders=(f"{H2}/32",), flood_to_dead=False),),
    ports=(Port(device="tap-a", segment="blue"),),
)
PATIENCE = 30.0
"""Seconds for what takes one or two: the machine may be busy."""


class Watching(NamedTuple):
    """Both ends, which do not know each other yet."""

    h1: Host
    h2: OpenVSwitch

    def said(self) -> control.Remote:
        """Return what vxnet says of Open vSwitch."""
        daemon = control.status(self.h1.run_dir)
        assert daemon
        (remote,) = daemon.remotes
        return remote

    def status(self) -> dict[str, str]:
        """Return what Open vSwitch says of vxnet: the column bfd_status."""
        text = self.h2.vsctl("get", "interface", "vx-bfd", "bfd_status").strip().strip("{}")
        pairs = (pair.split("=", 1) for pair in text.split(", ") if "=" in pair)
        return {key: value.strip('"') for key, value in pairs}

    def both(self, state: str) -> None:
        """Wait until the session is in this state at both ends, and each says so of the other."""
        wait_until(
            lambda: self.said().state == self.said().remote_state == state, timeout=PATIENCE, what=f"vxnet {state}"
        )
        wait_until(lambda: self.status().get("state") == state, timeout=PATIENCE, what=f"Open vSwitch {state}")


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Watching]:
    """Build it: a tunnel of the segment, and one for BFD alone."""
    with Lab.unique("iopbfd") as lab:
        node1, node2 = two_hosts(lab)
        lab.vm("a", on=node1, address="10.0.0.1/24")
        b = lab.vm("b", on=node2, address="10.0.0.2/24")
        h1, h2 = Host(node1, tmp_path), OpenVSwitch(node2, tmp_path / "ovs")
        h2.segment("blue", b, vni=5001, remote=H1)
        h2.vsctl("add-br", "br-bfd", "--", "set", "bridge", "br-bfd", "datapath_type=netdev")
        options = ("type=vxlan", f"options:remote_ip={H1}", f"options:local_ip={H2}", "options:key=1")
        h2.vsctl("add-port", "br-bfd", "vx-bfd", "--", "set", "interface", "vx-bfd", *options)
        lab.wait(lambda: node2.ping(H1, timeout=0.2), what="h2's address on its bridge")
        h1.up(STATE)
        yield Watching(h1, h2)
        h1.down()


def test_with_open_vswitch(ends: Watching) -> None:
    """Up at both ends, also with new intervals; dead when Open vSwitch is cut off, up again; then one end is closed."""
    ends.h2.vsctl("set", "interface", "vx-bfd", "bfd:enable=true", "bfd:min_tx=300", "bfd:min_rx=300")
    ends.both("up")
    status = ends.status()
    assert (status["remote_state"], status["forwarding"], status["diagnostic"]) == ("up", "true", "No Diagnostic")

    assert STATE.bfd
    ends.h1.up(replace(STATE, bfd=replace(STATE.bfd, min_tx=700, min_rx=500, detect_mult=4)))
    ends.h2.vsctl("set", "interface", "vx-bfd", "bfd:min_tx=600", "bfd:min_rx=400")
    before = ends.said()
    wait_until(lambda: ends.said().received > before.received + 10, timeout=PATIENCE, what="packets")
    assert (ends.said().state, ends.said().downs, ends.said().discarded) == ("up", 0, 0)
    assert ends.status()["state"] == "up"
    assert ends.status()["flap_count"] == status["flap_count"]

    ends.h1.node.ip(f"route add blackhole {H2}/32")
    wait_until(lambda: ends.said().dead, timeout=PATIENCE, what="dead")
    wait_until(lambda: ends.status()["state"] == "down", timeout=PATIENCE, what="down")
    wait_until(lambda: ends.h1.overview().segments[0].remotes[0].dead, timeout=PATIENCE, what="left out of flooding")
    ends.h1.node.ip(f"route del blackhole {H2}/32")
    ends.both("up")
    wait_until(lambda: ends.h1.overview().segments[0].remotes[0].flood, timeout=PATIENCE, what="flooded to again")

    ends.h1.vxnet(
        "up", str(ends.h1.file(replace(STATE, bfd=None, segments=(replace(STATE.segments[0], flood_to_dead=True),))))
    )
    wait_until(lambda: ends.status()["state"] == "down", timeout=PATIENCE, what="closed")
    assert ends.status()["diagnostic"] == "Neighbor Signaled Session Down", "it was told, and did not have to find out"
