# SPDX-License-Identifier: Apache-2.0
"""Storms of broadcast, multicast and unknown unicast, from ports and from a remote, in support/hostile.py's lab."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.hostile import Net, blue, frame, hostile, macs, wrapped
from tests.support.victims import Victims, storm
from vxnet.datapath.libbpf.rawmap import cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

STORM = 100_000
LIMIT = 100


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build the lab, h1 with storm control."""
    with hostile(tmp_path_factory.mktemp("storm")) as net:
        yield net._replace(one=blue(net.one, storm_control=LIMIT))


@pytest.fixture
def net(built: Net) -> Net:
    """Return it as it is to be."""
    built.up()
    return built


def flooded(net: Net) -> int:
    """Return how many frames h1 has sent to the port of the victim."""
    port = next(port for port in net.h1.overview().segments[0].ports if port.device == "tap-a")
    return port.traffic.tx_packets


def suppressed(net: Net, device: str) -> int:
    """Return how many frames from a port, or with "" from the underlay, storm control has dropped."""
    segment = net.h1.overview().segments[0]
    rows = {port.device: port.traffic for port in segment.ports} | {"": segment.traffic}
    return rows[device].suppressed


KINDS = {
    "broadcast": frame("02:66:00:00:00:01"),
    "multicast": frame("02:66:00:00:00:01", "01:00:5e:01:01:01"),
    "unknown unicast": frame("02:66:00:00:00:01", "02:66:ff:ff:ff:ff"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_floods_no_more_than_its_share(net: Net, kind: str) -> None:
    """Whatever a port floods, the limit of it gets through, the rest counts as a storm; the victims lose nothing."""
    before, dropped = suppressed(net, "tap-e"), net.dropped("storm")
    with Victims(f"{kind} storm from a port", net.a, net.b) as victims:
        begin = time.monotonic()
        storm(net.e, [KINDS[kind]], STORM)
        seconds = time.monotonic() - begin
        victims.talk()
    assert victims.lost == 0
    stopped = suppressed(net, "tap-e") - before
    assert stopped == net.dropped("storm") - dropped
    # A bucket full, what came in meanwhile, and a frame more for each CPU that looked at the same instant.
    assert 0 < STORM - stopped <= LIMIT * (1 + seconds) + cpus()


def test_without_a_limit_all_of_it_is_flooded(net: Net) -> None:
    """The very same frames all reach the victim where there is no limit: it is the limit that stopped them."""
    net.h1.up(blue(net.one, storm_control=0))
    before, dropped = flooded(net), net.dropped("storm")
    storm(net.e, [KINDS["broadcast"]], 1000)
    net.a.wait(lambda: flooded(net) >= before + 1000, what="all to be flooded")
    assert net.dropped("storm") == dropped


def test_who_floods_floods_alone(net: Net) -> None:
    """While one port is far above its limit, another's broadcasts all get through."""
    before = suppressed(net, "tap-e2")
    with Victims("broadcast storm beside another's ARP", net.a, net.b) as victims:
        storm(net.e, [KINDS["broadcast"]], STORM)
        for _ in range(10):
            net.e2.ip("neighbour flush dev eth0")
            assert net.e2.ping(net.b, timeout=3)
        victims.talk()
    assert victims.lost == 0
    assert suppressed(net, "tap-e2") == before


def test_a_remote_floods_no_more_than_its_share(net: Net) -> None:
    """A remote has its limit too, and another remote's broadcasts get through beside it."""
    before, dropped = suppressed(net, ""), net.dropped("storm")
    with Victims("broadcast storm from a remote", net.a, net.b) as victims:
        storm(net.mallory, [wrapped(net, KINDS["broadcast"])], STORM)
        for _ in range(10):
            net.d.ip("neighbour flush dev eth0")
            assert net.d.ping(net.e2, timeout=3)
        victims.talk()
    assert victims.lost == 0
    assert suppressed(net, "") - before == net.dropped("storm") - dropped > STORM * 0.5


def test_a_port_has_its_own_limit(net: Net) -> None:
    """What a port says of itself goes before what its segment says."""
    ports = tuple(replace(port, storm_control=5000 if port.device == "tap-e2" else None) for port in net.one.ports)
    net.h1.up(replace(net.one, ports=ports))
    before = suppressed(net, "tap-e2")
    storm(net.e2, [KINDS["broadcast"]], 5000)
    assert suppressed(net, "tap-e2") == before
    net.h1.up(net.one)
    storm(net.e2, [KINDS["broadcast"]], 5000)
    assert suppressed(net, "tap-e2") > before


def test_all_together_have_a_limit(net: Net) -> None:
    """However many remotes a storm claims to be from, the segment as a whole floods no more than its total."""
    total = 300
    net.h1.up(blue(net.one, storm_control_total=total, senders=None))
    before = suppressed(net, "")
    sources = [f"192.168.146.{n}" for n in range(140, 240)]
    with Victims("storm from a hundred forged remotes", net.a, net.b) as victims:
        storm(net.mallory, [wrapped(net, KINDS["broadcast"], src) for src in sources], STORM)
        victims.talk()
    assert victims.lost == 0
    assert suppressed(net, "") - before > STORM * 0.5


def test_known_unicast_is_never_asked(net: Net) -> None:
    """A hundred times as much known unicast as may be flooded passes a port that has used all its share up."""
    assert net.e.ping(net.b, timeout=3)
    storm(net.e, [KINDS["broadcast"]], STORM)
    before = suppressed(net, "tap-e"), net.h1.overview().segments[0].traffic.tx_packets
    storm(net.e, [frame(net.e.mac, net.b.mac)], 100 * LIMIT)
    net.a.wait(
        lambda: net.h1.overview().segments[0].traffic.tx_packets >= before[1] + 100 * LIMIT, what="all to be sent"
    )
    assert suppressed(net, "tap-e") == before[0]


def test_many_macs_are_one_port(net: Net) -> None:
    """Another source MAC for each frame does not help: the limit is the port's."""
    before = suppressed(net, "tap-e")
    storm(net.e, [frame(mac) for mac in macs(1000)], STORM)
    assert suppressed(net, "tap-e") - before > STORM * 0.5
