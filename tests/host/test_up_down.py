# SPDX-License-Identifier: Apache-2.0
"""`vxnet up` and `vxnet down` on two hosts: what they change, what they leave alone, and what is left in the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ctypes import c_uint32
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.labs import unreachable
from tests.support.running import CLI, GROUP, Host, Pair, change, gone, wait
from tests.support.stream import Stream
from vxnet.lab import netns
from vxnet.model import DOWN, FdbEntry, Port, Segment

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.datapath.entries import FdbRow
    from vxnet.model import HostState, IPAddress

MAC = "02:00:00:00:00:99"
OTHER_REMOTE = IPv4Address("192.168.146.200")


def places(host: Host, segment: str) -> dict[str, tuple[str | None, IPAddress | None]]:
    """Return where each MAC of a segment is."""
    return {mac: (row.port, row.remote) for mac, row in host.fdb(segment).items()}


# ---- up ------------------------------------------------------------------------------------------------------------


def test_up_returns_when_it_forwards(pair: Pair) -> None:
    """Once `vxnet up` has returned, the first packet is answered; before, none is."""
    pair.down()
    assert unreachable(pair.a, pair.b)
    pair.h1.up(pair.one)
    pair.h2.up(pair.two)
    assert pair.a.ping(pair.b)
    assert pair.c.ping(pair.d)
    assert unreachable(pair.a, pair.d)


def test_up_again_changes_nothing(pair: Pair) -> None:
    """The same file again: no change, no packet lost, no flow cached anew, nothing forgotten."""
    with Stream(pair.a, pair.b) as stream:
        before, epoch = places(pair.h1, "blue"), epoch_of(pair.h1)
        pair.h1.up(pair.one)
        assert epoch_of(pair.h1) == epoch
        assert places(pair.h1, "blue") == before
        stream.flows()
    assert stream.lost == set()


def test_several_at_once_start_one_daemon(pair: Pair) -> None:
    """Whoever comes first starts the daemon; the others wait for it, and bring the host to the same file."""
    pair.h1.down()
    assert not pair.h1.run_dir.exists()
    file = str(pair.h1.file(pair.one))
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda _: pair.h1.vxnet("up", file, check=False), range(4)):
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "another vxnetd" not in pair.h1.log()
    assert pair.h1.changes(pair.one) == ()


def test_up_and_down_at_once_end_in_one_or_the_other(pair: Pair) -> None:
    """However they meet, neither fails, and the host is up or nothing is left."""
    file = str(pair.h1.file(pair.one))
    with ThreadPoolExecutor() as pool:
        for _ in range(3):
            runs = [pool.submit(pair.h1.vxnet, *words, check=False) for words in (("down",), ("up", file), ("down",))]
            for run in runs:
                assert (run.result().returncode, run.result().stderr) == (0, "")
            if pair.h1.run_dir.exists():
                assert pair.h1.pid
                assert pair.h1.changes(pair.one) == ()
            else:
                assert pair.h1.remains() == []


def epoch_of(host: Host) -> int:
    """Return the number that is counted up when cached flows are voided."""
    with host.found() as maps:
        state = maps.state.get(c_uint32(0))
        assert state
        return state.epoch


GREEN = Segment(name="green", vni=30, group=GROUP)


@pytest.mark.parametrize(
    "settings",
    [
        {"remotes": (IPv4Address("192.168.146.136"), OTHER_REMOTE)},
        {"remotes": (), "group": IPv4Address("239.1.1.2")},
        {"ageing": 60, "maxaddress": 8},
        {"learning": False},
        {"vni": 11},
    ],
    ids="+".join,
)
def test_a_changed_segment_leaves_the_others_alone(pair: Pair, settings: dict[str, object]) -> None:
    """While a segment changes in any way, another one loses no packet and forgets nothing."""
    with Stream(pair.c, pair.d) as stream:
        learned = places(pair.h1, "red")
        pair.h1.up(change(pair.one, "blue", **settings))
        stream.flows()
        assert places(pair.h1, "red") == learned
    assert stream.lost == set()


def test_segments_of_one_group_go_together(pair: Pair) -> None:
    """Of two that leave a group of their own at once, and of one that leaves another's, nothing stays behind."""
    own = IPv4Address("239.1.1.3")
    others = (GREEN, *(Segment(name=f"own{vni}", vni=vni, group=own) for vni in (40, 41)))
    pair.h1.up(replace(pair.one, segments=(*pair.one.segments, *others)))
    assert (pair.h1.vnis(), pair.h1.groups()) == ({10, 20, 30, 40, 41}, {GROUP, own})
    pair.h1.up(pair.one)
    assert (pair.h1.vnis(), pair.h1.groups()) == ({10, 20}, {GROUP})
    assert pair.h1.routes() == [(GROUP, 4789)]


def test_what_comes_and_goes_leaves_the_rest_alone(pair: Pair) -> None:
    """While a segment comes with another one's port and group, and goes again, the others lose no packet."""
    port = replace(pair.one.ports[0], segment="green")
    grown = replace(pair.one, segments=(*pair.one.segments, GREEN), ports=(port, pair.one.ports[1]))
    with Stream(pair.c, pair.d) as stream:
        learned = places(pair.h1, "red")
        pair.h1.up(grown)
        assert pair.h1.vnis() == {10, 20, 30}
        stream.flows()
        pair.h1.up(pair.one)
        assert pair.h1.vnis() == {10, 20}
        assert pair.h1.groups() == {GROUP}, "red is still in the group that green has left"
        stream.flows()
        assert places(pair.h1, "red") == learned
    assert stream.lost == set()
    assert pair.a.ping(pair.b)


def test_settings_keep_what_the_segment_has_learned(pair: Pair) -> None:
    """Other remotes or another ageing are no reason to forget, nor to lose a packet of known unicast."""
    with Stream(pair.a, pair.b) as stream:
        learned = places(pair.h1, "blue")
        remotes = (*pair.one.segments[0].remotes, OTHER_REMOTE)
        pair.h1.up(change(pair.one, "blue", remotes=remotes, ageing=60, maxaddress=9))
        stream.flows()
        assert places(pair.h1, "blue") == learned
    assert stream.lost == set()


def test_another_vni_begins_with_an_empty_fdb(pair: Pair) -> None:
    """What was learned in one network is not known in the next, though both have the same name and ports."""
    assert pair.a.ping(pair.b)
    assert pair.b.mac in pair.h1.fdb("blue")
    pair.h1.up(change(pair.one, "blue", vni=11))
    learned: dict[str, FdbRow] = pair.h1.fdb("blue")
    assert [row for row in learned.values() if row.remote] == []
    assert unreachable(pair.a, pair.b)
    pair.h2.up(change(pair.two, "blue", vni=11))
    assert pair.a.ping(pair.b)


def test_a_port_in_another_ones_place_inherits_nothing(pair: Pair) -> None:
    """A port that comes as another one goes does not get what that one had taught, even if it takes its slot."""
    assert pair.a.ping(pair.b)
    assert pair.c.ping(pair.d)
    pair.h1.up(replace(pair.one, ports=(Port(device="tap-c", segment="blue"),)))
    assert pair.a.mac not in pair.h1.fdb()
    assert "tap-a" not in {row.port for row in pair.h1.fdb().values()}


def test_static_entries_come_and_go(pair: Pair) -> None:
    """A static entry is there as it was written, follows its file, and goes with it."""
    at_port = FdbEntry(segment="blue", mac=MAC, port="tap-a")
    pair.h1.up(replace(pair.one, fdb=(at_port,)))
    row = pair.h1.fdb("blue")[MAC]
    assert (row.state, row.port, row.age) == ("static", "tap-a", None)
    remote = pair.one.segments[0].remotes[0]
    pair.h1.up(replace(pair.one, fdb=(replace(at_port, port=None, remote=remote),)))
    assert pair.h1.fdb("blue")[MAC].remote == remote
    pair.h1.up(pair.one)
    assert MAC not in pair.h1.fdb("blue")


def test_another_udp_port(pair: Pair) -> None:
    """Another UDP port is another VTEP: nothing of the old one stays, and hosts meet again once both have it."""
    one, two = (replace(s, vtep=replace(s.vtep, dstport=8472)) for s in (pair.one, pair.two) if s.vtep)
    pair.h1.up(one)
    assert unreachable(pair.a, pair.b)
    pair.h2.up(two)
    assert pair.a.ping(pair.b)
    assert pair.c.ping(pair.d)
    links = pair.h1.node.ip("-br link")
    assert "vxnet8472" in links
    assert "vxnet4789" not in links
    assert pair.h1.routes() == [(GROUP, 8472)]


def test_a_relative_run_dir(pair: Pair, tmp_path: Path) -> None:
    """A run directory is understood from where the command is started, not from where the daemon lives."""
    with pair.h1.node.enter():
        links = Host(pair.h1.node, tmp_path, "r")
        state = other(pair.one, 8472, "tap-a")
        pair.h1.up(without(pair.one, "tap-a"))
        words = ("env", "-C", str(tmp_path), *CLI)
        links.node.run(*words, "up", str(links.file(state)), "--run-dir", "r")
        assert links.pid
        assert links.changes(state) == ()
        links.node.run(*words, "down", "--run-dir", "r")
    assert not links.run_dir.exists()


# ---- down ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("daemon", ["running", "killed"])
def test_down_leaves_nothing(pair: Pair, daemon: str) -> None:
    """With or without its daemon, down takes away programs, maps, device, routes, memberships, files, and daemon."""
    host = pair.h1
    assert host.remains() != []
    assert host.groups() == {GROUP}
    programs, maps = host.programs(), host.maps()
    assert {name for _, name in programs} == {"vxnet_access", "vxnet_underlay", "vxnet_overlay"}
    assert len(maps) > 10
    if daemon == "killed":
        host.kill()
    host.down()
    assert host.remains() == []
    assert not host.run_dir.exists()
    wait(lambda: not netns.processes([host.node.namespace]), "the daemon to be gone")
    wait(lambda: gone(programs.values(), maps), "programs and maps to go")
    assert unreachable(pair.a, pair.b)
    assert pair.h2.actual().state.vtep, "the other host is none of its business"


def test_down_leaves_what_is_not_ours(pair: Pair, tmp_path: Path) -> None:
    """A file in the run directory, a filter on the port, and a route to the group that others put there stay."""
    host = pair.h1
    (host.run_dir / "notes").write_text("mine")
    host.node.run("tc qdisc add dev tap-a clsact")
    host.node.run("tc filter add dev tap-a ingress prio 99 protocol all bpf bytecode '1,6 0 0 0' classid 1:1")
    host.node.ip(f"route add {GROUP}/32 dev tap-a proto static")
    host.down()
    assert [path.name for path in host.run_dir.iterdir()] == ["notes"]
    assert "pref 99 bpf" in host.node.run("tc filter show dev tap-a ingress").stdout
    assert f"{GROUP} dev tap-a proto static" in host.node.ip("route")
    (host.run_dir / "notes").rename(tmp_path / "notes")
    host.node.run("tc qdisc del dev tap-a clsact")
    host.node.ip(f"route del {GROUP}/32 dev tap-a")


def test_down_when_nothing_is_up(pair: Pair) -> None:
    """Taking away what is not there is no error, and makes nothing."""
    pair.h1.down()
    pair.h1.down()
    assert not pair.h1.run_dir.exists()


BY_HAND = pytest.mark.parametrize("deed", ["ip link delete vxnet4789", "detach vxnet4789"])


@BY_HAND
def test_down_after_it_was_taken_apart_by_hand(pair: Pair, deed: str) -> None:
    """Without daemon, and without the device that leads to the maps, what is left is still found and taken away."""
    pair.h1.kill()
    pair.h1.spoil(deed)
    assert {name for _, name in pair.h1.programs()} == {"vxnet_access", "vxnet_underlay"}
    pair.h1.down()
    assert pair.h1.remains() == []
    assert pair.h1.programs() == {}


@BY_HAND
def test_up_after_it_was_taken_apart_by_hand(pair: Pair, deed: str) -> None:
    """The next up makes all anew, and takes away what the old one left where it is not wanted any more."""
    pair.h1.kill()
    pair.h1.spoil(deed)
    blue = replace(without(pair.one, "tap-c"), segments=pair.one.segments[:1])
    pair.h1.up(blue)
    assert {device for device, name in pair.h1.programs() if name == "vxnet_access"} == {"tap-a"}
    assert (pair.h1.vnis(), pair.h1.groups(), pair.h1.routes()) == ({10}, set(), [])
    assert pair.a.ping(pair.b)


def test_down_and_up_in_a_row(pair: Pair) -> None:
    """Up right after down finds no trace of the old daemon, which might take the new one's socket away."""
    pair.h1.down()
    pair.h1.up(pair.one)
    assert pair.h1.pid
    assert pair.a.ping(pair.b)


# ---- several in one namespace --------------------------------------------------------------------------------------


def without(state: HostState, device: str) -> HostState:
    """Return ``state`` without a port."""
    return replace(state, ports=tuple(port for port in state.ports if port.device != device))


def other(state: HostState, dstport: int, device: str) -> HostState:
    """Return another vxnet's state: its own UDP port, and the segment red, with the same VNI and group, for a port."""
    assert state.vtep
    return replace(
        state,
        vtep=replace(state.vtep, dstport=dstport),
        segments=(state.segments[1],),
        ports=(Port(device=device, segment="red"),),
    )


def test_two_vxnets_side_by_side(pair: Pair, tmp_path: Path) -> None:
    """Two run directories, two UDP ports, one namespace, the same VNI and group: each forwards, and goes, alone."""
    others = [Host(host.node, tmp_path) for host in (pair.h1, pair.h2)]
    states = [other(pair.one, 8472, "tap-a"), other(pair.two, 8472, "tap-b")]
    pair.h1.up(without(pair.one, "tap-a"))
    pair.h2.up(without(pair.two, "tap-b"))
    for host, state in zip(others, states, strict=True):
        host.up(state)
    assert pair.h1.changes(without(pair.one, "tap-a")) == ()
    assert sorted(pair.h1.routes()) == [(GROUP, 4789), (GROUP, 8472)]
    assert unreachable(pair.a, pair.d), "two networks, though VNI and group are the same"
    with Stream(pair.c, pair.d) as stream:
        assert pair.a.ping(pair.b)
        for host in others:
            host.down()
        assert pair.h1.routes() == [(GROUP, 4789)]
        assert pair.h1.groups() == {GROUP}
        pair.c.ip("neigh flush all")
        assert pair.c.ping(pair.d), "a broadcast still reaches the group"
        stream.flows()
    assert stream.lost == set()


def test_a_vxnet_that_comes_later_adopts_its_own_only(pair: Pair, tmp_path: Path) -> None:
    """A plan for another run directory sees nothing of this one."""
    host = Host(pair.h1.node, tmp_path)
    assert host.actual().state == DOWN
    assert host.vxnet("plan", str(host.file(other(pair.one, 8472, "tap-z"))), check=False).returncode == 1
    assert not host.run_dir.exists()
