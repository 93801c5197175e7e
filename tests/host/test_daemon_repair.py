# SPDX-License-Identifier: Apache-2.0
"""What changes around the daemon, by hand or by chance: it follows at once, and says what it does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.running import DAEMON, GROUP, Host, Pair, base, by_hand, wait
from tests.support.stream import Stream
from vxnet.daemon.server import SWEEP
from vxnet.lab import Lab
from vxnet.model import FdbEntry

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "192.168.146.131/24"
MAC = "02:00:00:00:00:99"

FLOW_TRUST = 1.0
"""Seconds that a cached flow is believed in when nobody voids it (bpf/access.h)."""


def repaired(pair: Pair) -> None:
    """Wait until the first host is as it should be, and prove that it is."""
    wait(lambda: pair.h1.changes(pair.one) == (), "the daemon to repair it")
    assert pair.a.ping(pair.b)
    assert pair.c.ping(pair.d)


# ---- ports ---------------------------------------------------------------------------------------------------------


def test_a_port_device_goes_and_comes_back(pair: Pair) -> None:
    """A device that goes is let go, with its static entry; one of its name that comes is the port again."""
    wanted = replace(pair.one, fdb=(FdbEntry(segment="blue", mac=MAC, port="tap-a"),))
    pair.h1.up(wanted)
    assert pair.a.ping(pair.b)
    mac = pair.a.mac
    with Stream(pair.c, pair.d) as stream:
        pair.h1.node.ip("link delete tap-a")
        wait(lambda: "remove port tap-a: its device is gone" in pair.h1.log(), "the daemon to notice")
        wait(lambda: mac not in pair.h1.fdb("blue"), "what was learned there to go")
        assert "  port: tap-a, not attached yet: device tap-a does not exist\n" in pair.h1.vxnet("show").stdout
        assert [port.device for port in pair.h1.actual().state.ports] == ["tap-c"]
        assert MAC not in pair.h1.fdb("blue")
        plug_in(pair, mac)
        wait(lambda: pair.h1.changes(wanted) == (), "the port to be attached again")
        assert pair.a.ping(pair.b)
        assert pair.h1.fdb("blue")[MAC].port == "tap-a"
        assert "not attached" not in pair.h1.vxnet("show").stdout
    assert stream.lost == set()
    said = [line for line in pair.h1.log().splitlines() if "device tap-a does not exist" in line]
    assert len(said) == 1
    assert said[0].endswith("device tap-a does not exist; it is attached as soon as it can be")


def plug_in(pair: Pair, mac: str) -> None:
    """Give VM a a network card again, with the same MAC and address."""
    pair.h1.node.ip(f"link add tap-a type veth peer name eth0 address {mac} netns {pair.a.namespace}")
    pair.h1.node.ip("link set tap-a up")
    pair.a.ip(f"address add {pair.a.address}/24 dev eth0")
    pair.a.ip("link set eth0 up")


def test_a_port_device_is_another_one_at_once(pair: Pair) -> None:
    """A device that is replaced faster than anybody looks is attached, and nothing points to the old one."""
    mac = pair.a.mac
    pair.h1.node.ip("link set tap-a name old0")
    pair.h1.node.ip(f"link add tap-a type veth peer name eth1 address {mac} netns {pair.a.namespace}")
    repaired_port = ("tap-a", "vxnet_access")
    wait(lambda: repaired_port in pair.h1.programs() and pair.h1.changes(pair.one) == (), "the new one to be attached")
    assert ("old0", "vxnet_access") not in pair.h1.programs(), "whoever has the old one gets his frames back"
    pair.h1.node.ip("link delete tap-a")
    pair.h1.node.ip("link set old0 name tap-a")
    repaired(pair)


def test_a_port_is_put_into_a_bridge_and_taken_out(pair: Pair) -> None:
    """Who gives a port's device to a bridge gets its frames there; when the bridge is done with it, it is a port."""
    with by_hand(pair.h1.node, "link add br9 type bridge", "link set tap-a master br9", undo=("link delete br9",)):
        wait(lambda: ("tap-a", "vxnet_access") not in pair.h1.programs(), "the port to be let go")
        assert "device tap-a is busy: it belongs to br9" in pair.h1.log()
    repaired(pair)


def test_the_machine_behind_a_port_goes_down_and_up(pair: Pair) -> None:
    """A veth whose other end goes down and comes up again delivers, with or without its short cut."""
    pair.a.ip("link set eth0 down")
    repaired_to(pair, peer=False)
    pair.a.ip("link set eth0 up")
    repaired_to(pair, peer=True)
    repaired(pair)


def repaired_to(pair: Pair, *, peer: bool) -> None:
    """Wait until tap-a has the short cut to its other end, or has it no more."""

    def flags() -> bool:
        with pair.h1.found() as maps:
            (port,) = (m for m in Host.members(maps) if m.name == b"tap-a")
            return bool(port.flags & 1)

    wait(lambda: flags() is peer, "the daemon to notice")


def is_up(host: Host, device: str) -> bool:
    """Tell whether a device is set up."""
    return "UP" in json.loads(host.node.ip("-j", "link", "show", device))[0]["flags"]


def set_down(pair: Pair) -> None:
    """Set tap-a down, and wait until the daemon has let it go."""
    pair.h1.node.ip("link set tap-a down")
    wait(lambda: ("tap-a", "vxnet_access") not in pair.h1.programs(), "the port to be let go")


def test_a_port_that_is_set_down_stays_down(pair: Pair) -> None:
    """Who sets a port's device down means it: nothing is forwarded there, `show` says so, until it is set up again."""
    wanted = replace(pair.one, fdb=(FdbEntry(segment="blue", mac=MAC, port="tap-a"),))
    pair.h1.up(wanted)
    with Stream(pair.c, pair.d) as stream:
        set_down(pair)
        assert MAC not in pair.h1.fdb("blue")
        shown = pair.h1.vxnet("show").stdout
        assert "  port: tap-a, not attached yet: device tap-a is down; `ip link set tap-a up`\n" in shown
        with by_hand(pair.h1.node, "link add br9 type bridge", undo=("link delete br9",)):
            wait(lambda: "port tap-a: device tap-a is down" in pair.h1.log(), "the daemon to have looked")
        assert not is_up(pair.h1, "tap-a")
        pair.h1.node.ip("link set tap-a up")
        wait(lambda: pair.h1.changes(wanted) == (), "the port to be attached again")
        assert pair.a.ping(pair.b)
    assert stream.lost == set()


def test_up_brings_up_what_was_set_down(pair: Pair) -> None:
    """`vxnet up` is asked for in so many words: it brings the host to its file, ports and all."""
    set_down(pair)
    pair.h1.up(pair.one)
    assert is_up(pair.h1, "tap-a")
    assert pair.a.ping(pair.b)


def test_a_port_that_is_set_down_while_nobody_looks(pair: Pair) -> None:
    """A daemon that finds a port of its own down leaves it down."""
    pair.h1.kill()
    pair.h1.node.ip("link set tap-a down")
    with pair.h1.node.popen(*DAEMON, "--run-dir", str(pair.h1.run_dir)) as daemon:
        try:
            wait(lambda: ("tap-a", "vxnet_access") not in pair.h1.programs(), "the port to be let go")
            assert not is_up(pair.h1, "tap-a")
            pair.h1.node.ip("link set tap-a up")
            repaired(pair)
        finally:
            daemon.terminate()


# ---- what somebody takes away --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed",
    [
        "detach tap-a",
        "detach eth0",
        "detach vxnet4789",
        "ip link set vxnet4789 down",
        "ip link delete vxnet4789",
        f"ip route delete {GROUP}/32 dev eth0 metric 4789",
        "bridge vni delete vni 20 dev vxnet4789",
    ],
)
def test_what_is_taken_away_by_hand_is_put_back(pair: Pair, deed: str) -> None:
    """Whatever of it somebody takes away is put back, and what was learned is still known."""
    assert pair.a.ping(pair.b)
    assert pair.c.ping(pair.d)
    learned = pair.h1.fdb().keys()
    pair.h1.spoil(deed)
    pair.h1.node.ip("link set lo alias something-happens")  # the kernel tells of most deeds, but not of all
    wait(lambda: pair.h1.changes(pair.one) == (), "the daemon to repair it", timeout=SWEEP / 2)
    assert learned <= pair.h1.fdb().keys()
    repaired(pair)
    assert pair.h1.groups() == {GROUP}


def test_it_notices_and_says_what_it_does(pair: Pair) -> None:
    """The kernel tells that a device went down; the log names the change and the reason."""
    pair.h1.node.ip("link set tap-a down")
    said = (
        "port tap-a: device tap-a is down; `ip link set tap-a up`; it is attached as soon as it can be\n"
        "remove port tap-a: its device is down\n"
    )
    wait(lambda: pair.h1.log() == said, "the daemon to say so, and no more", timeout=SWEEP / 2)


# ---- the underlay --------------------------------------------------------------------------------------------------


def test_the_address_goes_and_returns(pair: Pair) -> None:
    """Without its address the host keeps all it has, says so once, and goes on when the address is back."""
    pair.h1.node.ip(f"address delete {ADDRESS} dev eth0")
    wait(lambda: "no device has 192.168.146.131" in pair.h1.log(), "the daemon to notice")
    assert pair.h1.programs() != {}
    pair.h1.node.ip(f"address add {ADDRESS} dev eth0")
    repaired(pair)


def test_the_address_moves_to_a_bridge(pair: Pair) -> None:
    """The underlay device becomes the port of a bridge that takes its address: vxnet moves with it, groups and all."""
    deeds = (
        "link add br0 type bridge",
        "link set br0 up",
        "link set eth0 master br0",
        f"address delete {ADDRESS} dev eth0",
        f"address add {ADDRESS} dev br0",
    )
    with by_hand(pair.h1.node, *deeds, undo=("link delete br0", f"address add {ADDRESS} dev eth0")):
        repaired(pair)
        assert (pair.h1.groups("eth0"), pair.h1.groups("br0")) == (set(), {GROUP})
        assert (pair.h1.routes("eth0"), pair.h1.routes("br0")) == ([], [(GROUP, 4789)])
        assert {device for device, name in pair.h1.programs() if name == "vxnet_underlay"} == {"br0"}
    repaired(pair)
    assert pair.h1.groups() == {GROUP}


def test_the_underlay_goes_down_and_up(pair: Pair) -> None:
    """A network card that goes down takes the routes along; when it is up again, all is as before."""
    pair.h1.node.ip("link set eth0 down")
    wait(lambda: "which is down" in pair.h1.log(), "the daemon to notice")
    pair.h1.node.ip("link set eth0 up")
    repaired(pair)
    assert pair.h1.routes() == [(GROUP, 4789)]


def test_the_underlays_mtu_changes(pair: Pair) -> None:
    """Another MTU holds at once, for flows that are cached too, and costs no packet that fits."""
    with Stream(pair.a, pair.b) as stream:
        assert pair.a.ping(pair.b, size=1400)
        pair.h1.node.ip("link set eth0 mtu 1400")
        wait(lambda: pair.h1.overview().mtu == 1400, "the daemon to notice")
        before = pair.h1.overview().drops["too-big"]
        assert not pair.a.ping(pair.b, size=1400, timeout=0.1)
        assert pair.h1.overview().drops["too-big"] == before + 1
        pair.h1.node.ip("link set eth0 mtu 1500")
        wait(lambda: pair.h1.overview().mtu == 1500, "the daemon to notice")
        assert pair.a.ping(pair.b, size=1400)
        stream.flows()
    assert stream.lost == set()


def test_a_remote_gets_another_mac(pair: Pair) -> None:
    """A remote that changes its MAC is followed at once: five times in a row, well within a cached flow's second."""
    pair.h2.node.run("sysctl -qw net.ipv4.conf.eth0.arp_notify=1")
    pair.h1.node.run("sysctl -qw net.ipv4.neigh.eth0.locktime=0")
    with Stream(pair.a, pair.b) as stream:
        for number in range(5):
            pair.h2.node.ip(f"link set eth0 address 02:00:00:00:aa:{number:02x}")
            assert stream.flows() < FLOW_TRUST / 2
        lost = len(stream.lost)
    assert lost > 0, "the old MAC is not listened to any more"


def test_a_route_changes(tmp_path: Path) -> None:
    """Remotes behind a router: another route is taken at once, five times in a row, and no packet is lost."""
    with Lab.unique("routes") as lab:
        h1, h2 = lab.host("h1", "192.168.146.131/24"), lab.host("h2", "192.168.147.136/24")
        routers = [lab.router(f"r{n}", [f"192.168.146.{n}/24", f"192.168.147.{n}/24"]) for n in (1, 2)]
        lab.switch("s1", h1, *routers)
        lab.switch("s2", h2, *routers)
        a, b = (lab.vm(name, on=on, address=f"10.0.0.{n}/24") for name, on, n in (("a", h1, 1), ("b", h2, 2)))
        h1.ip("route add 192.168.147.0/24 via 192.168.146.1")
        h2.ip("route add 192.168.146.0/24 via 192.168.147.1")
        hosts = [Host(h1, tmp_path), Host(h2, tmp_path)]
        states = [
            base("192.168.146.131", "192.168.147.136", "tap-a", ""),
            base("192.168.147.136", "192.168.146.131", "tap-b", ""),
        ]
        for host, state in zip(hosts, states, strict=True):
            host.up(replace(state, segments=state.segments[:1], ports=state.ports[:1]))
        assert h1.ping("192.168.146.2")
        with Stream(a, b) as stream:
            for number in (2, 1, 2, 1, 2):
                before = forwarded(routers[number - 1].ip("-s -j link show eth0"))
                h1.ip(f"route replace 192.168.147.0/24 via 192.168.146.{number}")
                assert stream.flows() < FLOW_TRUST
                took = lab.wait(
                    lambda n=number, b=before: forwarded(routers[n - 1].ip("-s -j link show eth0")) > b + 10,  # type: ignore[misc]
                    timeout=FLOW_TRUST / 2,
                    what=f"router {number} to be used",
                )
                assert took
        assert stream.lost == set()
        for host in hosts:
            host.down()


def forwarded(statistics: str) -> int:
    """Return how many packets a device has received."""
    return int(json.loads(statistics)[0]["stats64"]["rx"]["packets"])
