# SPDX-License-Identifier: Apache-2.0
"""Whoever cuts, merges and sums up packets: the bytes arrive, whatever ethtool has switched on and off, and where.

    a eth0 --- tap-a [ h1 ] eth0 ------------- eth0 [ h2 ] tap-b --- eth0 b       all six devices change in each run

Both ways at once, IPv4 and IPv6 in the segment, TCP and UDP, over an underlay of either family, with UDP checksums and
without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.bothways import BothWays
from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.offloads import TOGETHER, Device, changeable, describe, plans
from tests.support.offloads import change as change_features
from tests.support.vteps import Switch
from vxnet.lab import Lab
from vxnet.model import HostState, Port, Segment, Vtep
from vxnet.packet import vxlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node
    from vxnet.model import IPAddress

KILOBYTE = 1 << 10
SEED = "7348 "

GRO_LISTS = frozenset({"rx-gro-list"})
"""Off unless asked for, and left off in the VMs: with it a VM's Linux 6.18 counts datagrams that the slow path brings,
and its GRO puts into a list, as UdpInCsumErrors, taking the checksum of the first for that of all."""


class Way(NamedTuple):
    """The lab drawn above, up."""

    kind: str
    a: Node
    b: Node
    devices: list[Device]


@pytest.fixture(scope="module", params=["ipv4", "ipv4-udpcsum", "ipv6", "ipv6-udpcsum"])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Build it, over each kind of outer packet."""
    family, _, checksum = request.param.partition("-")
    ends: tuple[IPAddress, IPAddress] = (H1_6, H2_6) if family == "ipv6" else (H1, H2)
    folder = tmp_path_factory.mktemp("offloads")
    with Lab.unique("vxoff") as lab:
        h1, h2 = (
            lab.host(name, f"{end}/{64 if family == 'ipv6' else 24}")
            for name, end in zip(("h1", "h2"), ends, strict=True)
        )
        lab.link(h1, h2)
        mtu = 1500 - vxlan.overhead(ends[0])
        a, b = (
            lab.vm(name, on=host, address=[f"10.0.0.{n}/24", f"fd00::{n}/64"], mtu=mtu)
            for name, host, n in (("a", h1, 1), ("b", h2, 2))
        )
        switches = [Switch(host, folder) for host in (h1, h2)]
        for switch, vm, local, remote in zip(switches, (a, b), ends, ends[::-1], strict=True):
            segment = Segment(name="blue", vni=5001, remotes=(remote,), csum=bool(checksum))
            port = Port(device=vm.device, segment="blue")
            switch.become(HostState(vtep=Vtep(local=local), segments=(segment,), ports=(port,)))
        for address in b.addresses:
            assert a.ping(address)
        devices = [
            *(Device(vm, "eth0", stays_off=GRO_LISTS) for vm in (a, b)),
            *(Device(host, "eth0") for host in (h1, h2)),
            *(Device(host, vm.device) for host, vm in ((h1, a), (h2, b))),
        ]
        yield Way(request.param, a, b, devices)
        for switch in switches:
            switch.take_down()


def test_every_combination(way: Way) -> None:
    """TCP both ways at once and datagrams arrive as they were sent in each of the 128 combinations of each device."""
    before = {device: changeable(device) for device in way.devices}
    for device, features in before.items():
        assert all(set(names) & features.keys() for names in TOGETHER.values()), f"{device} has fewer features"
    with BothWays(way.a, way.b) as both:
        for number, run in enumerate(plans(way.devices, seed=SEED + way.kind)):
            for device, features in run.items():
                change_features(device, features)
            try:
                both.exchange(128 * KILOBYTE)
            except (AssertionError, OSError) as error:
                error.add_note(f"run {number}:\n{describe(run)}")
                raise
    for device, features in before.items():
        change_features(device, features)
