# SPDX-License-Identifier: Apache-2.0
"""Maps that are full and memory that is short: what runs goes on, one line names the thing and the cure, once.

a --tap-a-.                                         .-tap-b-- b     blue, VNI 10, remotes
           [ h1 ] eth0 ---------------- eth0 [ h2 ]
c --tap-c-'                                         '-tap-d-- d     red, VNI 20, group

h1 is of a build whose maps hold little. The cgroup's limit counts the memory of a daemon and of its maps.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.builds import build
from tests.support.killed import run
from tests.support.labs import H1, H2, two_hosts
from tests.support.memory import Group, group
from tests.support.running import DAEMON, Host, Pair, wait
from tests.support.stream import Stream
from vxnet.daemon.keeper import Keeper
from vxnet.daemon.server import SWEEP
from vxnet.datapath.layout import FdbKey, FdbValue, Place
from vxnet.datapath.slots import Slots
from vxnet.lab import Lab
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM = 64
SMALL = (
    ("bpf/maps.h", "#define FIRST_FDB (1 << 17)", f"#define FIRST_FDB {ROOM}"),
    ("bpf/maps.h", "#define FIRST_DOMAINS 1024", "#define FIRST_DOMAINS 4"),
    ("room.py", "MOST: Final = 1 << 24", f"MOST: Final = {ROOM}"),
    ("room.py", "MOST_LEARNED: Final = 1 << 20", f"MOST_LEARNED: Final = {ROOM}"),
)
NO_MEMORY = (
    "the kernel has no memory for the eBPF maps and programs; free some, or raise the limit of this process's cgroup "
    "(systemd: MemoryMax)\n"
)
GREEDY = (("bpf/maps.h", "#define FIRST_FDB (1 << 17)", "#define FIRST_FDB (1 << 22)"),)
"""Maps that begin with 64 MiB, so that they and not the daemon itself are what there is no memory for."""

LITTLE, ENOUGH = 72, 512
"""MiB: a daemon and half of such maps; more than both."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a vxnet whose maps hold little."""
    return build(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture
def full(pair: Pair, small: Path) -> Iterator[Pair]:
    """Return the pair, h1 of the small build: a switch of another size is not taken over, but made anew."""
    pair.h1.down()
    usual, pair.h1 = pair.h1, Host(pair.h1.node, pair.h1.run_dir.parent, "small", source=small)
    pair.h1.up(pair.one)
    yield pair
    pair.h1.down()
    pair.h1 = usual


def static(count: int, device: str = "tap-a") -> tuple[FdbEntry, ...]:
    """Return so many static entries."""
    return tuple(FdbEntry(segment="blue", mac=f"02:00:00:00:aa:{n:02x}", port=device) for n in range(count))


def test_more_segments_than_there_is_room_for(full: Pair) -> None:
    """A file with too many is refused with the limit, all is as it was, and no packet is lost."""
    more = tuple(Segment(name=f"s{n}", vni=100 + n, remotes=(H2,)) for n in range(ROOM))
    too_many = replace(full.one, segments=(*full.one.segments, *more))
    with Stream(full.a, full.b) as stream:
        said = full.h1.refused("up", str(full.h1.file(too_many)))
        assert said == f"eBPF map domains holds {ROOM} elements at most; {ROOM + 3} are asked for"
        assert full.h1.changes(full.one) == ()
        stream.flows()
        full.h1.up(replace(full.one, segments=(*full.one.segments, *more[:5])))
        full.h1.up(full.one)
        stream.flows()
    assert stream.lost == set()


def test_more_static_entries_than_there_is_room_for(full: Pair) -> None:
    """The same, and what was learned before stays known."""
    assert full.a.ping(full.b)
    learned = full.h1.fdb("blue").keys()
    with Stream(full.a, full.b) as stream:
        said = full.h1.refused("up", str(full.h1.file(replace(full.one, fdb=static(ROOM + 1)))))
        assert said == f"eBPF map fdb holds {ROOM} elements at most; {2 * (ROOM + 1)} are asked for"
        assert full.h1.changes(full.one) == ()
        assert learned <= full.h1.fdb("blue").keys()
        stream.flows()
    assert stream.lost == set()


def test_more_machines_than_there_is_room_for(full: Pair) -> None:
    """What cannot be learned is flooded and counted, who is known stays known; the log says so once, with the cure."""
    with Stream(full.a, full.b) as stream:
        many_machines(full)
        stream.flows()
        rows = {row.device: row for segment in full.h1.overview().segments for row in segment.ports}
        assert rows["tap-c"].traffic.unlearned > 0
        assert {full.a.mac, full.b.mac} <= full.h1.fdb("blue").keys()
        said = f"the FDB is full: {ROOM} MACs are learned; others are flooded. Lower ageing or maxaddress\n"
        wait(lambda: said in full.h1.log(), "the sweep to notice", timeout=6 * SWEEP)
        many_machines(full)
        sweeps = full.h1.node.run("sleep", str(SWEEP + 1))
        assert sweeps.returncode == 0
        assert full.h1.log().count(said) == 1
        assert full.c.ping(full.d, count=3), "a machine that nobody can learn any more is reached all the same"
        stream.flows()
    assert stream.lost == set()


def test_no_memory_for_more_machines(pair: Pair, tmp_path: Path) -> None:
    """An FDB that cannot grow: said once, sweeping goes on, no packet is lost; it grows when there is memory."""
    log = tmp_path / "log"
    pair.h1.kill()
    with pair.h1.found() as maps:
        room, slots = maps.capacity("fdb"), Slots(maps)
        domain, port = slots.domain_of("blue"), slots.port("tap-a")
        assert domain
        assert port
        value = FdbValue(Place(port), 0, time.monotonic_ns())
        maps.fdb.put_all((FdbKey.of(domain, (2 << 40 | n).to_bytes(6, "big")), value) for n in range(room // 2 + 1))

    def sweep_in(cgroup: Group) -> None:
        logging.basicConfig(filename=log, format="%(message)s", force=True)
        cgroup.join()
        keeper = Keeper(pair.h1.run_dir)
        cgroup.limit_to_what_is_used(8 << 20)  # enough to sweep, and half of what is asked for
        for _ in range(3):
            keeper.sweep()
        cgroup.limit(ENOUGH)
        with pair.h1.found() as maps:
            assert maps.capacity("fdb") == room
        keeper.sweep()

    with Stream(pair.a, pair.b) as stream, group() as cgroup:
        assert not run(pair.h1, lambda: sweep_in(cgroup)).killed
        stream.flows()
    assert log.read_text() == f"no room for more MACs can be made: {NO_MEMORY}"
    assert stream.lost == set()
    with pair.h1.found() as maps:
        assert maps.capacity("fdb") > room
    pair.h1.down()


def many_machines(pair: Pair) -> None:
    """Let twice as many machines as can be learned say something from behind c's port."""
    with pair.c.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("eth0", 0))
        for number in range(2 * ROOM):
            source = bytes.fromhex("0200000bad00")[:5] + bytes([number])
            out.send(b"\xff" * 6 + source + b"\x88\xb5" + bytes(46))


def test_no_memory_for_the_maps(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A daemon that gets none says so once, leaves nothing half made, tries again, and is up when there is some."""
    with Lab.unique("memory") as lab, group() as cgroup:
        greedy = build(tmp_path_factory.mktemp("greedy"), GREEDY)
        host = Host(two_hosts(lab)[0], tmp_path, source=greedy)
        lab.vm("a", on=host.node, address="10.0.0.1/24")
        state = HostState(
            vtep=Vtep(local=H1),
            segments=(Segment(name="blue", vni=10, group=IPv4Address("239.1.1.1")),),
            ports=(Port(device="tap-a", segment="blue"),),
        )
        said = "add {}: not on this host yet\n".format
        begin = said("vtep 192.168.146.131") + NO_MEMORY
        cgroup.limit(LITTLE)
        words = cgroup.words(*DAEMON, str(host.file(state)), "--run-dir", str(host.run_dir))
        log = tmp_path / "log"
        env = {**os.environ, "PYTHONPATH": str(greedy)}
        with log.open("w") as output, host.node.popen(*words, stdout=output, stderr=output, env=env) as daemon:
            try:
                wait(lambda: log.read_text() == begin, "the daemon to say so")
                for number in range(4):
                    host.node.ip(f"link set lo alias again-{number}")
                    host.node.run("sleep 0.5")
                assert log.read_text() == begin, "it has said so"
                assert host.remains() == []
                cgroup.limit(ENOUGH)
                wait(lambda: host.changes(state) == (), "the daemon to be up", timeout=6 * SWEEP)
                assert log.read_text() == begin + said("segment blue") + said("port tap-a")
            finally:
                daemon.terminate()
        host.vxnet("down")
        assert host.remains() == []
