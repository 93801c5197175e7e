# SPDX-License-Identifier: Apache-2.0
"""A real virtual machine behind vxnet: a guest's kernel, virtio-net and qemu, with what they can leave to each other.

guest eth0 --n0--.
      eth1 --n1--[ h1 ] eth0 ------------- eth0 [ h2 ] --tap-b-- b
      ...  ------'
"""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.labs import H1, H2, two_hosts
from tests.support.vm import Vm, get, mac_of, nic, post
from tests.support.vteps import Switch
from vxnet.datapath.plugging import Machine, plug_tap
from vxnet.lab import Lab
from vxnet.model import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node

MTU = 1450
LARGEST = MTU + 14
"""Bytes of a frame that is not to be cut any more."""
SIZE = 1 << 20

CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6, MRG_RXBUF = 0, 1, 7, 8, 11, 12, 15
"""linux/virtio_net.h: HOST_... is what the guest leaves to the host, GUEST_... what it takes from it."""
NAMES = {
    CSUM: "csum",
    GUEST_CSUM: "guest_csum",
    GUEST_TSO4: "guest_tso4",
    GUEST_TSO6: "guest_tso6",
    HOST_TSO4: "host_tso4",
    HOST_TSO6: "host_tso6",
    MRG_RXBUF: "mrg_rxbuf",
}

NICS = {
    "all": frozenset(NAMES),
    "nothing": frozenset(),
    "checksums": frozenset({CSUM, GUEST_CSUM, MRG_RXBUF}),
    "sending": frozenset({CSUM, HOST_TSO4, HOST_TSO6}),
    "receiving": frozenset({GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, MRG_RXBUF}),
    "ipv4": frozenset({CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, MRG_RXBUF}),
    "ipv6-whole-buffers": frozenset({CSUM, GUEST_CSUM, GUEST_TSO6, HOST_TSO6}),
}
"""What each of the guest's NICs can."""


class Net(NamedTuple):
    """The lab drawn above, up, with the guest answering at each of its NICs."""

    h1: Switch
    b: Node


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build it, and boot the guest."""
    folder = tmp_path_factory.mktemp("vm")
    numbers = range(len(NICS))
    with Lab.unique("vxvm") as lab:
        node1, node2 = two_hosts(lab)
        addresses = [address for n in numbers for address in (f"10.0.{n}.1/24", f"fd00:{n}::1/64")]
        b = lab.vm("b", on=node2, address=addresses, mtu=MTU)
        for n in numbers:
            with node1.enter():
                machine = Machine(mac=mac_of(n), mtu=MTU, addresses=(), gateways=(), routes=())
                plug_tap(f"n{n}", f"of the guest {n}", machine)
        h1, h2 = Switch(node1, folder), Switch(node2, folder)
        h1.bring(Segment(name="blue", vni=5001, remotes=(H2,)), ports={f"n{n}": "blue" for n in numbers})
        h2.bring(Segment(name="blue", vni=5001, remotes=(H1,)), ports={"tap-b": "blue"})
        vm = Vm(node1, folder, {f"n{n}": options(can) for n, can in enumerate(NICS.values())}, mtu=MTU)
        try:
            for n in numbers:
                for family in (4, 6):
                    vm.wait(b, address_of(n, family))
            yield Net(h1, b)
        finally:
            vm.close()
            h1.take_down()
            h2.take_down()


def address_of(number: int, family: int) -> str:
    """Return the address of one of the guest's NICs."""
    return f"10.0.{number}.10" if family == 4 else f"fd00:{number}::10"


def options(can: frozenset[int]) -> str:
    """Return qemu's words for a device that can this and nothing else."""
    words = {name: ("off", "on")[feature in can] for feature, name in NAMES.items()}
    for way in ("host", "guest"):
        words |= {f"{way}_{name}": "off" for name in ("ecn", "ufo")}
    return ",".join(f"{name}={word}" for name, word in words.items())


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", NICS)
def test_a_file_both_ways(net: Net, name: str, family: int) -> None:
    """What is sent to the guest arrives as it was sent, and comes back so, at the same time as more is sent to it.

    The guest's kernel and qemu agree on what the NIC can: so packets are larger than the MTU where they may be.
    """
    number, can = list(NICS).index(name), NICS[name]
    address = address_of(number, family)
    one, other = (random.Random(f"{name} {family} {n}").randbytes(SIZE) for n in range(2))
    before = nic(net.b, address, f"eth{number}")
    assert before.features & NAMES.keys() == can
    assert post(net.b, address, "one", one) == hashlib.sha256(one).hexdigest()
    after = nic(net.b, address, f"eth{number}")
    mean = (after.bytes - before.bytes) / (after.packets - before.packets)
    assert (mean > LARGEST) == ((GUEST_TSO4 if family == 4 else GUEST_TSO6) in can)

    sent = net.h1.traffic()[f"n{number}"]
    assert get(net.b, address, "one") == one
    now = net.h1.traffic()[f"n{number}"]
    mean = (now.rx_bytes - sent.rx_bytes) / (now.rx_packets - sent.rx_packets)
    assert (mean > LARGEST) == ((HOST_TSO4 if family == 4 else HOST_TSO6) in can)

    with ThreadPoolExecutor(1) as pool:
        back = pool.submit(get, net.b, address, "one")
        assert post(net.b, address, "other", other) == hashlib.sha256(other).hexdigest()
        assert back.result() == one
