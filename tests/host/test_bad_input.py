# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear line on stderr and exit code 1, and what was running goes on unchanged.

All through this file a stream of packets runs over the hosts that the mistakes are made on; at the end none is lost.
"""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

import vxnet
from tests.support.running import CLI, Host, Pair, by_hand
from tests.support.stream import Stream
from vxnet.model import DOWN, Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import HostState


@pytest.fixture(scope="module")
def stream(running: Pair) -> Iterator[Stream]:
    """Let packets flow as long as mistakes are made; none of them is lost."""
    with Stream(running.a, running.b) as stream:
        yield stream
    assert stream.lost == set()


@pytest.fixture
def busy(running: Pair, stream: Stream) -> Iterator[Pair]:
    """Return the pair; after the test it is unchanged, still the same daemons keep it, and packets flow."""
    before = [(host.pid, host.programs(), host.maps()) for host in (running.h1, running.h2)]
    yield running
    assert [(host.pid, host.programs(), host.maps()) for host in (running.h1, running.h2)] == before
    assert (running.h1.changes(running.one), running.h2.changes(running.two)) == ((), ())
    stream.flows()


GOOD = """
[vtep]
local = "192.168.146.131"
[[segments]]
name = "blue"
vni = 10
remotes = ["192.168.146.136"]
[[segments]]
name = "red"
vni = 20
group = "239.1.1.1"
[[ports]]
device = "tap-a"
segment = "blue"
[[ports]]
device = "tap-c"
segment = "red"
"""

# ---- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vni = 10", "vin = 10", 'segments[0].vin: unknown key "vin"; did you mean "vni"?'),
        ("vni = 10", 'vni = "10"', "segments[0].vni: "),
        ("vni = 10", "vni = 0", "segments[0].vni: 0 "),
        ("vni = 10", "vni = 16777216", "segments[0].vni: 16777216 "),
        ("vni = 10", "vni = 20", "segments[1].vni: 20 stands at segments[0].vni already"),
        ('"192.168.146.136"', '"host2"', 'segments[0].remotes[0]: "host2" is not an IP address'),
        ('"239.1.1.1"', '"192.168.146.9"', "segments[1].group: "),
        ('segment = "red"', 'segment = "rde"', 'ports[1].segment: "rde" is the name of no segment'),
        ("[vtep]", "[vtep", "line 2: is not TOML"),
        ('local = "192.168.146.131"', "", "vtep.local: "),
    ],
)
def test_a_mistake_in_the_file(busy: Pair, old: str, new: str, message: str) -> None:
    """The line names the file, the field and the value."""
    assert old in GOOD
    file = busy.h1.file(GOOD.replace(old, new, 1))
    assert busy.h1.refused("up", str(file)).startswith(f"{file}: {message}")


def test_no_file(busy: Pair, tmp_path: Path) -> None:
    """A file that is not there, or is a folder, is named."""
    for path in (tmp_path / "none.toml", tmp_path):
        assert str(path) in busy.h1.refused("up", str(path))


# ---- the host --------------------------------------------------------------------------------------------------------


def with_ports(state: HostState, *devices: str) -> HostState:
    """Return ``state`` with more ports in its first segment."""
    return replace(state, ports=(*state.ports, *(Port(device=device, segment="blue") for device in devices)))


@pytest.mark.parametrize("command", ["up", "plan"])
def test_a_missing_device(busy: Pair, command: str) -> None:
    """A port's device that does not exist is named, with its place in the file."""
    file = busy.h1.file(with_ports(busy.one, "tap-z"))
    assert busy.h1.refused(command, str(file)) == f"{file}: ports[2].device: device tap-z does not exist"


def test_a_device_in_a_bridge(busy: Pair) -> None:
    """A device that belongs to a bridge is not taken out of it; the cure is told."""
    deeds = ("link add br9 type bridge", "link add late1 type veth peer name late2", "link set late1 master br9")
    with by_hand(busy.h1.node, *deeds, undo=("link delete late1", "link delete br9")):
        file = busy.h1.file(with_ports(busy.one, "late1"))
        assert busy.h1.refused("up", str(file)) == (
            f"{file}: ports[2].device: device late1 is busy: it belongs to br9; `ip link set late1 nomaster`"
        )


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("eth0", "device eth0 holds vtep.local; the underlay device cannot be a port"),
        ("lo", "device lo is not an Ethernet device"),
        ("vxnet4789", "device vxnet4789 is a VXLAN device; a port is on the tenants' side"),
    ],
)
def test_a_device_that_cannot_be_a_port(busy: Pair, device: str, words: str) -> None:
    """The underlay device, one without Ethernet, and a VXLAN device are no ports."""
    file = busy.h1.file(with_ports(busy.one, device))
    assert busy.h1.refused("up", str(file)) == f"{file}: ports[2].device: {words}"


def other_on(pair: Pair, tmp_path: Path, dstport: int, *devices: str) -> tuple[Host, HostState]:
    """Return a second vxnet on the first host, and a state for it."""
    assert pair.one.vtep
    state = replace(pair.one, vtep=replace(pair.one.vtep, dstport=dstport), ports=(), segments=pair.one.segments[:1])
    return Host(pair.h1.node, tmp_path, "other"), with_ports(state, *devices)


def test_a_device_of_another_vxnet(busy: Pair, tmp_path: Path) -> None:
    """A device that is a port of another vxnet stays there, and the line names that one."""
    other, state = other_on(busy, tmp_path, 8472, "tap-a")
    file = other.file(state)
    assert other.refused("up", str(file)) == (
        f"{file}: ports[0].device: device tap-a is busy: vxnet {busy.h1.run_dir} uses it"
    )
    assert not other.run_dir.exists()


def test_the_udp_port_of_another_vxnet(busy: Pair, tmp_path: Path) -> None:
    """Two vxnets cannot share a UDP port: the line names the port, the device, and the other's run directory."""
    other, state = other_on(busy, tmp_path, 4789)
    file = other.file(state)
    assert other.refused("up", str(file)) == (
        f"{file}: vtep.dstport: UDP port 4789 is in use by VXLAN device vxnet4789 of vxnet {busy.h1.run_dir}; "
        "delete that device or choose another dstport"
    )
    assert not other.run_dir.exists()


def test_a_udp_port_of_linuxs_vxlan(busy: Pair) -> None:
    """A UDP port that a VXLAN device of somebody else has is not taken; that device is named."""
    assert busy.one.vtep
    with by_hand(
        busy.h1.node,
        "link add vx9 type vxlan id 9 dev eth0 dstport 8473",
        "link set vx9 up",
        undo=("link delete vx9",),
    ):
        file = busy.h1.file(replace(busy.one, vtep=replace(busy.one.vtep, dstport=8473)))
        assert busy.h1.refused("up", str(file)).startswith(
            f"{file}: vtep.dstport: UDP port 8473 is in use by VXLAN device vx9;"
        )


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])  # noqa: S104
def test_a_udp_port_of_a_program(busy: Pair, family: socket.AddressFamily, address: str) -> None:
    """A UDP port that a program listens on is not taken, and what runs on the old one goes on."""
    assert busy.one.vtep
    with busy.h1.node.enter():
        program = socket.socket(family, socket.SOCK_DGRAM)
    with program:
        program.bind((address, 8474))
        file = busy.h1.file(replace(busy.one, vtep=replace(busy.one.vtep, dstport=8474)))
        assert busy.h1.refused("up", str(file)).startswith(
            f"{file}: vtep.dstport: UDP port 8474 is in use by another program; "
        )


def test_a_name_that_is_taken(busy: Pair, tmp_path: Path) -> None:
    """Somebody else's device of the name that the VXLAN device would have stays, and is named."""
    other, state = other_on(busy, tmp_path, 8479)
    with by_hand(busy.h1.node, "link add vxnet8479 type veth peer name late2", undo=("link delete vxnet8479",)):
        message = other.refused("up", str(other.file(state)))
        assert message == "creating VXLAN device vxnet8479: File exists"
        assert other.pid == 0
        assert "vxnet8479" in busy.h1.node.ip("link")


def test_a_local_that_no_device_has(busy: Pair) -> None:
    """The line names the address that is missing, and those that there are."""
    file = busy.h1.file(GOOD.replace("192.168.146.131", "192.168.146.99"))
    assert busy.h1.refused("up", str(file)) == (
        f"{file}: vtep.local: no device has 192.168.146.99; this host has 192.168.146.131 on eth0"
    )


def test_an_underlay_that_cannot_be(busy: Pair) -> None:
    """An address on a device without Ethernet, or on one that is down, is no underlay."""
    deeds = ("link add late1 type veth peer name late2", "address add 192.0.2.1/24 dev late1")
    with by_hand(busy.h1.node, *deeds, undo=("link delete late1",)):
        file = busy.h1.file(GOOD.replace("192.168.146.131", "192.0.2.1"))
        assert busy.h1.refused("up", str(file)) == (
            f"{file}: vtep.local: 192.0.2.1 is on late1, which is down; `ip link set late1 up`"
        )
    with by_hand(busy.h1.node, "address add 192.0.2.1/32 dev lo", undo=("address delete 192.0.2.1/32 dev lo",)):
        file = busy.h1.file(GOOD.replace("192.168.146.131", "192.0.2.1"))
        assert busy.h1.refused("up", str(file)) == (
            f"{file}: vtep.local: 192.0.2.1 is on lo, which leads to no other host"
        )


def test_an_underlay_that_is_a_port(busy: Pair) -> None:
    """The address of a device that is a port of another vxnet is no underlay: its packets go to a segment."""
    with by_hand(busy.h1.node, "address add 192.0.2.1/24 dev tap-a", undo=("address delete 192.0.2.1/24 dev tap-a",)):
        other = Host(busy.h1.node, busy.h1.run_dir.parent, "other")
        text = '[vtep]\nlocal = "192.0.2.1"\ndstport = 8475\n'
        file = other.file(text)
        assert other.refused("up", str(file)) == (
            f"{file}: vtep.local: 192.0.2.1 is on tap-a, which is a port of vxnet {busy.h1.run_dir}"
        )


def test_a_run_dir_that_cannot_be(busy: Pair, tmp_path: Path) -> None:
    """A run directory too long for a socket, and one that is a file, are named."""
    other, state = other_on(busy, tmp_path, 8476)
    file = other.file(state)
    for run_dir, words in ((tmp_path / ("x" * 100), "at most 107 bytes"), (file, str(file))):
        other.run_dir = run_dir
        assert words in other.refused("up", str(file))


def test_a_failure_in_the_middle_is_undone(busy: Pair, tmp_path: Path) -> None:
    """What only the kernel can refuse, such as one group more than it joins, leaves nothing of a new host behind."""
    other, state = other_on(busy, tmp_path, 8477)
    busy.h1.node.run("sysctl -qw net.ipv4.igmp_max_memberships=1")
    red = busy.one.segments[1]
    too_many = tuple(replace(red, name=f"s{n}", vni=100 + n, group=red.group + n) for n in range(1, 4) if red.group)
    programs = busy.h1.programs()
    message = other.refused("up", str(other.file(replace(state, segments=too_many))))
    assert "raise net.ipv4.igmp_max_memberships" in message
    assert busy.h1.programs() == programs
    assert "vxnet8477" not in busy.h1.node.ip("link")
    assert other.pid == 0
    busy.h1.node.run("sysctl -qw net.ipv4.igmp_max_memberships=20")
    other.down()


# ---- the machine -----------------------------------------------------------------------------------------------------

_SECCOMP = '''
import ctypes, struct
def refuse(errno, command=None):
    """Let bpf(2), or one command of it, fail in this process and all it starts, as on a kernel without it."""
    load, jump, answer = 0x20, 0x15, 0x06
    number = {"x86_64": 321, "aarch64": 280}[__import__("platform").machine()]
    program = [(load, 0, 0, 0), (jump, 0, 3 if command is not None else 1, number)]
    program += [(load, 0, 0, 16), (jump, 0, 1, command)] if command is not None else []
    program += [(answer, 0, 0, 0x00050000 | errno), (answer, 0, 0, 0x7FFF0000)]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    memory = ctypes.create_string_buffer(code)
    rules = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(memory)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, rules, 0, 0) == 0, ctypes.get_errno()
'''


@pytest.mark.parametrize("command", ["down", "plan", "show", "fdb", "stats"])
def test_not_root(busy: Pair, command: str) -> None:
    """Whoever is not root is told so; of `up`, which a running daemon may do for others, see test_socket_rights.py."""
    file = (str(busy.h1.file(busy.one)),) if command == "plan" else ()
    assert refused_by(busy.h1, "unshare", "--user", *CLI, command, *file).startswith("vxnet needs root: ")


def refused_by(host: Host, *words: str) -> str:
    """Run `vxnet` in some other way; return the one line that it fails with."""
    done = host.node.run(*words, "--run-dir", str(host.run_dir), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("vxnet: error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("vxnet: error: ").rstrip("\n")


@pytest.fixture
def fresh(busy: Pair, tmp_path: Path) -> Iterator[tuple[Host, str]]:
    """Return a second vxnet that is not up, and its host file; afterwards nothing of it is there."""
    host, state = other_on(busy, tmp_path, 8478)
    programs = busy.h1.programs()
    yield host, str(host.file(state))
    assert busy.h1.programs() == programs
    assert host.pid == 0
    assert host.actual().state == DOWN
    assert "vxnet8478" not in busy.h1.node.ip("link")


def test_root_without_privileges(fresh: tuple[Host, str]) -> None:
    """Root in a container that may not use eBPF is told which operation the kernel refused."""
    host, file = fresh
    message = refused_by(host, "setpriv", "--bounding-set=-all", "--inh-caps=-all", *CLI, "up", file)
    assert message.endswith("Operation not permitted")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ("refuse(38)", "Function not implemented"),
        ("refuse(22, 5)", "the kernel does not take the eBPF programs"),
        ("refuse(22, 0)", "the kernel does not take the eBPF programs"),
    ],
    ids=["no bpf(2)", "no program of this kind", "no map of this kind"],
)
def test_a_kernel_without_what_is_needed(fresh: tuple[Host, str], refusal: str, words: str) -> None:
    """A kernel that has no eBPF, or refuses programs or maps (here by seccomp), is told in one line."""
    host, file = fresh
    script = f"{_SECCOMP}\n{refusal}\nfrom vxnet.cli.main import main\nmain()"
    assert words in refused_by(host, sys.executable, "-c", script, "up", file)


def test_programs_that_are_not_compiled(fresh: tuple[Host, str], tmp_path: Path) -> None:
    """Without the compiled object the line says where it should be and what makes it, and with what."""
    host, file = fresh
    program = source_without_object(tmp_path)
    assert refused_by(host, "env", f"PYTHONPATH={tmp_path}", *CLI, "up", file) == (
        f"{program} is missing: the eBPF programs are not compiled; run `make setup` (it needs clang)"
    )


def test_an_object_that_is_none(fresh: tuple[Host, str], tmp_path: Path) -> None:
    """A file that is no eBPF object is told from a kernel that refuses it."""
    host, file = fresh
    program = source_without_object(tmp_path)
    program.write_bytes(b"not an object")
    assert refused_by(host, "env", f"PYTHONPATH={tmp_path}", *CLI, "up", file) == (
        f"{program}: cannot be read as an eBPF object; build it with `make setup`"
    )


def source_without_object(folder: Path) -> Path:
    """Copy the package into ``folder`` without its compiled programs; return where these would be."""
    copy = folder / "vxnet"
    shutil.copytree(Path(vxnet.__file__).parent, copy, ignore=shutil.ignore_patterns("*.o", "__pycache__"))
    return copy / "datapath" / "bpf" / "vxnet.bpf.o"
