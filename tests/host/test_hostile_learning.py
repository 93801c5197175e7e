# SPDX-License-Identifier: Apache-2.0
"""Who lies about MACs, in support/hostile.py's lab: floods of them, others' MACs, moves to and fro, forged ageing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.hostile import Net, blue, frame, hostile, macs, wrapped
from tests.support.labs import H2
from tests.support.repeated import repeated
from tests.support.victims import Victims, storm
from vxnet.lab import Lab
from vxnet.model import FdbEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vxnet.datapath.entries import FdbRow

FLOOD = 50_000
SHARE = 64
PRINTER = "02:00:0a:00:00:99"
"""A machine that never says a word: a static entry at tap-a."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build the lab, h1 with a bound on learning and a static entry."""
    with hostile(tmp_path_factory.mktemp("learning")) as net:
        one = replace(blue(net.one, maxaddress=SHARE), fdb=(FdbEntry(segment="blue", mac=PRINTER, port="tap-a"),))
        yield net._replace(one=one)


@pytest.fixture
def net(built: Net) -> Net:
    """Return it as it is to be, with nothing learned or remembered."""
    built.h1.down()
    built.up()
    return built


def taught(net: Net, place: str) -> set[str]:
    """Return the MACs that h1 has learned at a port or behind a remote."""
    return {
        mac
        for mac, row in net.h1.fdb().items()
        if row.state == "learned" and place in {row.port, row.remote and str(row.remote)}
    }


def row(net: Net, mac: str) -> FdbRow | None:
    """Return h1's entry for a MAC."""
    return net.h1.fdb().get(mac)


def is_duplicate(net: Net, mac: str) -> bool:
    """Tell whether h1 takes a MAC for a duplicate."""
    entry = row(net, mac)
    return entry is not None and entry.duplicate


def test_a_flood_of_macs_from_a_port(net: Net) -> None:
    """A port teaches its share and no more; static entries stay, and who talks loses nothing."""
    with Victims("flood of 50000 MACs from a port", net.a, net.b) as victims:
        storm(net.e, [frame(mac, net.e2.mac) for mac in (*macs(FLOOD - 1), PRINTER)], FLOOD)
        victims.talk()
    assert victims.lost == 0
    assert len(taught(net, "tap-e")) == SHARE
    assert net.h1.overview().segments[0].ports[1].traffic.unlearned > FLOOD - 10 * SHARE
    printer = row(net, PRINTER)
    assert printer is not None
    assert (printer.state, printer.port) == ("static", "tap-a")
    assert {net.a.mac} <= taught(net, "tap-a")
    assert {net.b.mac} <= taught(net, str(H2))


def test_a_flood_of_macs_from_a_remote(net: Net) -> None:
    """A remote teaches its share and no more, and takes nothing from what another remote may teach."""
    flood = [wrapped(net, frame(mac, net.e2.mac)) for mac in (*macs(FLOOD // 10 - 1), PRINTER)]
    with Victims("flood of 5000 MACs from a remote", net.a, net.b) as victims:
        storm(net.mallory, flood, FLOOD)
        victims.talk()
    assert victims.lost == 0
    assert len(taught(net, "192.168.146.66")) == SHARE
    assert row(net, PRINTER) is not None
    assert net.d.ping(net.e2, timeout=3)
    assert {net.b.mac, net.d.mac} <= taught(net, str(H2))


WAYS: dict[str, Callable[[Net, str], None]] = {
    "a port": lambda net, mac: storm(net.e, [frame(mac)], 50),
    "a remote": lambda net, mac: storm(net.mallory, [wrapped(net, frame(mac))], 50),
}


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("whose", ["a", "b"])
def test_who_uses_anothers_mac(net: Net, where: str, whose: str) -> None:
    """A MAC that moves to and fro stays where it was first, which is told once; from then on nothing is lost."""
    victim = {"a": net.a, "b": net.b}[whose]
    net.h1.forget()
    home = row(net, victim.mac)
    assert home is not None
    with ExitStack() as attack:
        with Victims(f"{whose}'s MAC used from {where}, until it is found", net.a, net.b):
            attack.enter_context(repeated(lambda: WAYS[where](net, victim.mac)))
            Lab.wait(lambda: is_duplicate(net, victim.mac), timeout=30, what="a duplicate to be found")
        with Victims(f"{whose}'s MAC used from {where}, from then on", net.a, net.b) as victims:
            victims.talk()
            victims.talk()
    assert victims.lost == 0
    now = row(net, victim.mac)
    assert now is not None
    assert (now.port, now.remote) == (home.port, home.remote)
    assert f"{victim.mac} " in net.h1.vxnet("fdb").stdout
    assert [line for line in net.h1.vxnet("fdb").stdout.splitlines() if line.endswith("learned duplicate")]
    Lab.wait(lambda: victim.mac in net.h1.log(), timeout=5, what="the log to tell of it")
    assert net.h1.log().count(f"MAC {victim.mac} is at ") == 1


def test_a_vm_that_moves_is_followed_at_once(net: Net) -> None:
    """Four moves in three minutes are nobody's attack: each is followed with the first frame."""
    for sender, place in ((net.e, "tap-e"), (net.e2, "tap-e2")) * 2:
        storm(sender, [frame("02:66:00:00:00:07")], 1)
        assert "02:66:00:00:00:07" in taught(net, place)


def test_nobody_keeps_an_entry_alive_from_elsewhere(net: Net) -> None:
    """What is sent with a duplicate's MAC from elsewhere does not keep its entry young: it ages out all the same."""
    net.h1.up(blue(net.one, ageing=2))
    dead = "02:66:00:00:00:08"
    for sender in (net.e2, net.e) * 4:
        storm(sender, [frame(dead)], 1)
    assert is_duplicate(net, dead)
    entry = row(net, dead)
    assert entry is not None
    assert entry.port == "tap-e2"

    def gone() -> bool:
        storm(net.e, [frame(dead)], 1)
        return row(net, dead) is None

    with Victims("a dead machine's MAC kept alive", net.a, net.b) as victims:
        Lab.wait(gone, timeout=20, what="the entry to age out")
    assert victims.lost == 0


def test_who_speaks_for_a_silent_machine_is_put_right(net: Net) -> None:
    """A machine that was silent while another used its MAC is where it is as soon as it says a word."""
    storm(net.e, [frame(net.d.mac)], 3)
    assert net.d.mac in taught(net, "tap-e")
    assert net.d.ping(net.e2, timeout=3)
    assert net.d.mac in taught(net, str(H2))
