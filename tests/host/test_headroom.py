# SPDX-License-Identifier: Apache-2.0
"""The bridge that announces headroom: ports are below it, nothing goes through it, and it may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.support.labs import unreachable
from tests.support.running import Pair, by_hand, wait
from tests.support.stream import Stream
from vxnet.datapath.devices import devices

if TYPE_CHECKING:
    from pathlib import Path

BRIDGE = "vxnet4789br"


def below(pair: Pair) -> set[str]:
    """Return the devices of the first host that are below the bridge."""
    with pair.h1.node.enter():
        present = devices()
    if BRIDGE not in present.by_name:
        return set()
    return {name for name, device in present.by_name.items() if device.master == present.by_name[BRIDGE].index}


def test_ports_are_below_the_bridge(pair: Pair) -> None:
    """The VXLAN device and the veths of ports are, as long as they are ports; the bridge is down."""
    assert below(pair) == {"vxnet4789", "tap-a", "tap-c"}
    with pair.h1.node.enter():
        assert not devices().by_name[BRIDGE].up
    pair.h1.up(replace(pair.one, ports=pair.one.ports[:1]))
    assert below(pair) == {"vxnet4789", "tap-a"}
    pair.h1.down()
    assert BRIDGE not in pair.h1.node.ip("link")


def test_the_bridge_is_made_again_without_loss(pair: Pair) -> None:
    """Without the bridge, as an older vxnet leaves a host, packets flow; and while it is made, too."""
    with Stream(pair.a, pair.b) as stream:
        pair.h1.node.ip(f"link delete {BRIDGE}")
        wait(lambda: below(pair) == {"vxnet4789", "tap-a", "tap-c"}, "the bridge to be there again")
        stream.flows()
    assert stream.lost == set()
    assert pair.h1.changes(pair.one) == ()


def test_nothing_goes_through_the_bridge(pair: Pair, tmp_path: Path) -> None:
    """Ports of two segments stay apart even when somebody takes their programs away: the bridge forwards nothing."""
    pair.h1.kill()
    with pair.c.capture("eth0", tmp_path / "c.pcap", matching=f"ether src {pair.a.mac}") as capture:
        for device in ("tap-a", "tap-c", "vxnet4789"):
            pair.h1.spoil(f"detach {device}")
        assert unreachable(pair.a, pair.c, 0.2)
        assert unreachable(pair.a, pair.b, 0.2)
    assert capture.fields("eth.src") == []
    pair.h1.up(pair.one)
    assert pair.a.ping(pair.b)


def test_a_port_in_the_bridge_of_somebody_else(pair: Pair) -> None:
    """A port that is taken into another bridge is that bridge's, until it is given back."""
    deeds = ("link add br0 type bridge", "link set tap-c master br0")
    with by_hand(pair.h1.node, *deeds, undo=("link delete br0",)):
        wait(lambda: "device tap-c is busy: it belongs to br0" in pair.h1.log(), "the daemon to say so")
        assert pair.a.ping(pair.b)
        assert below(pair) == {"vxnet4789", "tap-a"}
    wait(lambda: below(pair) == {"vxnet4789", "tap-a", "tap-c"}, "tap-c to be a port again")
    assert pair.h1.changes(pair.one) == ()
    assert pair.c.ping(pair.d)
