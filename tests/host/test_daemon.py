# SPDX-License-Identifier: Apache-2.0
"""The daemon comes and goes: the kernel forwards all the while, and who comes next takes over what is there."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from ctypes import c_uint32
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.running import DAEMON, GROUP, Host, Pair, by_hand, change, end, wait
from tests.support.stream import Stream
from vxnet.daemon.echo import Echo
from vxnet.daemon.keeper import Keeper
from vxnet.daemon.server import Server
from vxnet.errors import KernelError
from vxnet.model import FdbEntry, HostState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAC = "02:00:00:00:00:99"


# ---- it ends, and the kernel goes on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_forwarding_goes_on_without_the_daemon(pair: Pair, number: signal.Signals) -> None:
    """However the daemon ends, and when the next one takes over, no packet is lost and nothing is forgotten."""
    for host, state in ((pair.h1, pair.one), (pair.h2, pair.two)):
        host.up(replace(state, fdb=(FdbEntry(segment="blue", mac=MAC, port=state.ports[0].device),)))
    with Stream(pair.a, pair.b) as stream:
        before, traffic = pair.h1.fdb(), received(pair.h1, "tap-a")
        programs, maps = pair.h1.programs(), pair.h1.maps()
        for host in (pair.h1, pair.h2):
            host.kill(number)
        stream.flows()
        assert pair.h1.programs() == programs
        for host, state in ((pair.h1, pair.one), (pair.h2, pair.two)):
            host.up(state)
        stream.flows()
        after = pair.h1.fdb()
        assert lasting(pair.h1.maps()) == lasting(maps), "the new programs use the maps that were there"
        assert pair.h1.programs() != programs, "the new daemon has put its own programs in their place"
        assert before.keys() - {MAC} <= after.keys()
        assert received(pair.h1, "tap-a") > traffic
    assert stream.lost == set()


def lasting(maps: dict[int, str]) -> dict[int, str]:
    """Return the maps that are more than a cache."""
    return {map_id: name for map_id, name in maps.items() if name not in {"tx_flows", "rx_flows", "storms"}}


def received(host: Host, device: str) -> int:
    """Return how many packets have come from a port since the host is up."""
    ports = [port for segment in host.overview().segments for port in segment.ports]
    return next(port.traffic.rx_packets for port in ports if port.device == device)


def test_ages_and_counters_are_kept(pair: Pair) -> None:
    """An idle entry is as old as before, and counters have not begun anew, after the daemon was another one."""
    assert pair.c.ping(pair.d, count=3)
    mac, packets = pair.c.mac, received(pair.h1, "tap-c")
    assert packets >= 3
    age = pair.h1.fdb("red")[mac].age
    assert age is not None
    pair.h1.kill()
    pair.h1.up(pair.one)
    later = pair.h1.fdb("red")[mac].age
    assert later is not None
    assert later > age
    assert received(pair.h1, "tap-c") >= packets


def test_memberships_outlive_the_daemon(pair: Pair, tmp_path: Path) -> None:
    """With both daemons dead the hosts are in the group, and what is flooded to it arrives."""
    for host in (pair.h1, pair.h2):
        host.kill()
    assert (pair.h1.groups(), pair.h2.groups()) == ({GROUP}, {GROUP})
    with pair.h1.node.capture("eth0", tmp_path / "flood.pcap", matching=f"dst {GROUP}") as capture:
        for vm in (pair.c, pair.d):
            vm.ip("neigh flush all")
        assert pair.c.ping(pair.d)
    assert ("20", str(GROUP)) in capture.fields("vxlan.vni", "ip.dst", matching="arp")


def test_a_daemon_without_a_file_keeps_what_is_there(pair: Pair, started: Started) -> None:
    """A daemon that is given no file adopts: it takes nothing away, and repairs what is broken."""
    pair.h1.kill()
    pair.h1.spoil("detach tap-a")
    pair.h1.spoil("detach tap-c")
    pair.h1.spoil("detach eth0")
    assert {type(value).__name__ for value in pair.h1.actual().faults} == {"Port", "Vtep"}
    started(pair.h1)
    wait(lambda: pair.h1.changes(pair.one) == (), "everything to be repaired")
    assert pair.a.ping(pair.b)
    assert pair.c.ping(pair.d)


def test_a_failure_in_the_middle_is_undone(pair: Pair, tmp_path: Path) -> None:
    """When the kernel refuses a change half-way, everything is as it was before the keeper returns."""
    host = Host(pair.h1.node, tmp_path, "k")
    assert pair.one.vtep
    red = replace(pair.one.segments[1], group=GROUP + 50)
    good = HostState(vtep=replace(pair.one.vtep, dstport=8490), segments=(red,))
    more = tuple(replace(red, name=f"s{n}", vni=100 + n, group=GROUP + n) for n in range(1, 4))
    pair.h1.node.run("sysctl -qw net.ipv4.igmp_max_memberships=2")
    with host.node.enter():
        keeper = Keeper(host.run_dir)
        keeper.bring(good)
        with pytest.raises(KernelError, match=r"raise net\.ipv4\.igmp_max_memberships"):
            keeper.bring(replace(good, segments=more))
        assert host.changes(good) == ()
        assert GROUP + 50 in host.groups()
        assert GROUP + 1 not in host.groups()
        keeper.down()
    pair.h1.node.run("sysctl -qw net.ipv4.igmp_max_memberships=20")
    assert "vxnet8490" not in pair.h1.node.ip("link")


def test_what_fails_again_and_again_is_said_once(pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the daemon does by itself and cannot is said once, again when it fails in another way or after it worked."""
    words = ["no memory", "no memory", "no room", "", "no room", "no room"]

    def sweep() -> None:
        if said := words.pop(0):
            raise KernelError(said)

    async def tended(server: Server) -> None:
        while words:
            await server._tend(sweep)

    with pair.h1.node.enter():
        echo = Echo.open()
        server = Server(tmp_path, echo)
    with server._claim, closing(echo):
        asyncio.run(tended(server))
    assert [record.getMessage() for record in caplog.records] == ["no memory", "no room", "no room"]


# ---- one daemon for one run directory ------------------------------------------------------------------------------


def test_a_second_daemon_is_refused(pair: Pair) -> None:
    """A second daemon on a run directory ends with one line that names the directory; the first one goes on."""
    pid = pair.h1.pid
    done = pair.h1.node.run(*DAEMON, "--run-dir", str(pair.h1.run_dir), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"vxnetd: error: another vxnetd has the run directory {pair.h1.run_dir}\n"
    assert pair.h1.pid == pid


def test_a_daemon_in_another_namespace_is_refused(pair: Pair) -> None:
    """A run directory whose daemon serves another namespace: up, down and quit leave that one as it is, and say so."""
    words = (sys.executable, "-m", "vxnet.cli.main")
    state = HostState(vtep=replace(pair.two.vtep, dstport=8472)) if pair.two.vtep else HostState()
    stranger = Host(pair.h2.node, pair.h1.run_dir.parent, "stranger")
    for command in (("up", str(stranger.file(state))), ("down",)):
        done = pair.h2.node.run(*words, *command, "--run-dir", str(pair.h1.run_dir), check=False)
        assert done.returncode == 1
        assert done.stderr == (
            f"vxnet: error: vxnetd of {pair.h1.run_dir} serves another network namespace; "
            "give each its own --run-dir (or VXNET_RUN_DIR)\n"
        )
    assert pair.h1.changes(pair.one) == ()
    assert pair.h2.changes(pair.two) == ()


def test_nonsense_on_the_socket_changes_nothing(pair: Pair) -> None:
    """Whatever comes over the control socket, the daemon answers and goes on."""
    for line in (b"hello\n", b"{}\n", b"\n", b"", b'{"type":"Up","netns":1,"state":{"vtep":1}}\n', b"\xff" * 70000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(pair.h1.run_dir / "vxnetd.sock"))
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda c=connection: c.recv(4096), b""))  # type: ignore[misc]
            assert answer.startswith(b'{"type":"Failed","message":')
    assert pair.h1.changes(pair.one) == ()
    mode = (pair.h1.run_dir / "vxnetd.sock").stat().st_mode & 0o777
    assert mode == 0o660, "who may talk to it may change the network; test_socket_rights.py has whose it is"


def test_who_asked_may_go_away(pair: Pair) -> None:
    """A caller that is ended in the middle takes nothing down with it: what it asked for is done."""
    wanted = change(pair.one, "blue", ageing=77)
    with pair.h1.node.enter():
        words = (sys.executable, "-m", "vxnet.cli.main", "up", str(pair.h1.file(wanted)))
        asking = subprocess.Popen((*words, "--run-dir", str(pair.h1.run_dir)))
    wait(lambda: "ageing: 300 -> 77" in pair.h1.log() or asking.poll() is not None, "the daemon to begin")
    asking.kill()
    asking.wait()
    wait(lambda: pair.h1.changes(wanted) == (), "the change to be made")
    assert pair.a.ping(pair.b)


# ---- started directly, as systemd does -------------------------------------------------------------------------------


class Started:
    """Daemons started directly, each telling what systemd is told."""

    def __init__(self, folder: Path) -> None:
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._address = str(folder / "notify")
        self._systemd.bind(self._address)
        self.processes: list[subprocess.Popen[str]] = []

    def __call__(self, host: Host, state: HostState | None = None, *, code: str = "") -> subprocess.Popen[str]:
        """Start one in a host, with a file for ``state`` or without; ``code`` is run in it before it begins."""
        file = (str(host.file(state)),) if state else ()
        start = (sys.executable, "-c", f"{code}\nfrom vxnet.cli.vxnetd import main\nmain()")
        host.run_dir.mkdir(exist_ok=True)
        with (host.run_dir / "vxnetd.log").open("a") as log:
            process = host.node.popen(
                *start,
                *("--run-dir", str(host.run_dir)),
                *file,
                stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": self._address},
            )
        self.processes.append(process)
        wait(lambda: host.pid == process.pid, "the daemon to answer")
        return process

    def told(self) -> list[str]:
        """Return what systemd was told since the last time."""
        messages = []
        while True:
            try:
                messages.append(self._systemd.recv(256).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        """End those that still run."""
        self._systemd.close()
        for process in self.processes:
            if process.poll() is None:
                end(process.pid, signal.SIGTERM)
            process.wait()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Start daemons, and end them after the test."""
    daemons = Started(tmp_path)
    yield daemons
    daemons.close()


def test_systemd_is_told_when_it_forwards(pair: Pair, started: Started) -> None:
    """READY comes once the host forwards as its file asks; SIGTERM ends it in order, and takes nothing away."""
    pair.h1.down()
    process = started(pair.h1, pair.one)
    wait(lambda: started.told() == ["READY=1"], "it to be ready")
    assert pair.a.ping(pair.b)
    end(process.pid, signal.SIGTERM)
    assert process.wait() == 0
    assert started.told() == ["STOPPING=1"]
    assert not (pair.h1.run_dir / "vxnetd.sock").exists()
    assert pair.a.ping(pair.b)


def test_it_starts_with_what_is_there(pair: Pair, started: Started) -> None:
    """A port device or two that are not there yet keep nobody waiting; they are attached when they come."""
    pair.h1.down()
    missing = replace(pair.one.ports[0], device="late0")
    busy = replace(pair.one.ports[0], device="late1")
    wanted = replace(pair.one, ports=(missing, busy, *pair.one.ports), fdb=(static(missing.device),))
    deeds = ("link add br9 type bridge", "link add late1 type veth peer name late2", "link set late1 master br9")
    with by_hand(pair.h1.node, *deeds, undo=("link delete late1",)):
        started(pair.h1, wanted)
        wait(lambda: "READY=1" in started.told(), "it to be ready")
        assert pair.a.ping(pair.b)
        assert "port late0: device late0 does not exist; it is attached as soon as it can be" in pair.h1.log()
        assert "port late1: device late1 is busy: it belongs to br9" in pair.h1.log()
        assert {port.device for port in pair.h1.actual().state.ports} == {"tap-a", "tap-c"}
        pair.h1.node.ip("link delete br9")
        with by_hand(pair.h1.node, "link add late0 type veth peer name late3", undo=("link delete late0",)):
            wait(lambda: pair.h1.changes(wanted) == (), "them to be attached")
            assert pair.h1.fdb("blue")[MAC].port == "late0"


SLOW_END = """
import time
from pathlib import Path
unlink = Path.unlink
Path.unlink = lambda path, missing_ok=False: (path.exists() and time.sleep(1.5), unlink(path, missing_ok))[1]
"""


def test_down_waits_for_its_end(pair: Pair, started: Started) -> None:
    """However long a daemon takes to end: after `vxnet down` it cannot take the next one's socket away."""
    pair.h1.kill(signal.SIGTERM)
    process = started(pair.h1, pair.one, code=SLOW_END)
    pair.h1.down()
    pair.h1.up(pair.one)
    assert process.wait() == 0
    assert pair.h1.pid not in {0, process.pid}


def static(device: str) -> FdbEntry:
    """Return a static entry at a port of blue."""
    return FdbEntry(segment="blue", mac=MAC, port=device)


def test_it_is_not_ready_before_its_address_is_there(pair: Pair, started: Started) -> None:
    """Without the VTEP's address it waits, says why, once, and is ready when the address has come."""
    pair.h1.down()
    pair.h1.node.ip("address del 192.168.146.131/24 dev eth0")
    started(pair.h1, pair.one)
    wait(lambda: "vtep.local: no device has 192.168.146.131" in pair.h1.log(), "it to say what is missing")
    pair.h1.node.ip("link set tap-a alias something-happens")
    assert started.told() == []
    pair.h1.node.ip("address add 192.168.146.131/24 dev eth0")
    wait(lambda: "READY=1" in started.told(), "it to be ready")
    assert pair.h1.log().count("no device has 192.168.146.131") == 1
    assert pair.a.ping(pair.b)


def test_a_bad_file_ends_it(pair: Pair) -> None:
    """A host file with a mistake is one line, and no daemon."""
    file = pair.h1.file("[vtep]\nlocal = 1\n")
    done = pair.h1.node.run(*DAEMON, str(file), "--run-dir", str(pair.h1.run_dir.with_name("x")), check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"vxnetd: error: {file}: vtep.local: ")
    assert not pair.h1.run_dir.with_name("x").exists()


# ---- the sweep -----------------------------------------------------------------------------------------------------


def test_the_sweep_frees_what_has_aged_out(pair: Pair, started: Started) -> None:
    """Expired entries are freed, those still in use are not, and each port's count of what it taught is set right."""
    pair.h1.kill()
    started(pair.h1, change(pair.one, "blue", ageing=1), code="from vxnet.daemon import server\nserver.SWEEP = 0.1")
    assert pair.c.ping(pair.d)
    assert pair.a.ping(pair.b)
    assert taught(pair.h1)["tap-a"] == 1
    wait(lambda: pair.h1.fdb("blue") == {}, "the entries to expire")
    wait(lambda: "tap-a" not in taught(pair.h1), "the count to be set right")
    assert entries(pair.h1) == {pair.c.mac, pair.d.mac}, "only what has expired was freed"
    with pair.h1.found() as maps:
        learned = maps.learned
        for place, count in learned.items():
            learned.put(place, c_uint32(count.value + 6))
    wait(lambda: taught(pair.h1) == {"tap-c": 1, "red": 1}, "the counts to be set right")
    assert pair.a.ping(pair.b)


def entries(host: Host) -> set[str]:
    """Return the MACs of all entries that take memory, expired or not."""
    with host.found() as maps:
        return {bytes(key.mac).hex(":") for key, _ in maps.fdb.items()}


def taught(host: Host) -> dict[str, int]:
    """Return how many entries each port, or remote of a segment, is said to have taught."""
    with host.found() as maps:
        return {host.name_of(maps, place.member): count.value for place, count in maps.learned.items()}
