# SPDX-License-Identifier: Apache-2.0
"""The lab on a real kernel: what it builds works, what it is told to remove is gone, and failures leave nothing.

a --tap-a-- [ h1 ] eth0 ------- eth0 [ h2 ] --tap-b-- b
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vxnet.errors import ConfigError, HostError, LabError
from vxnet.lab import Lab, Node, netns
from vxnet.lab.ready import wait_ready
from vxnet.lab.steps import Ip

EXAMPLES = Path(__file__).parents[2] / "examples"
PREFIX = "labtest7k"
FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5") + b"from a test".ljust(46, b"\0")
"""A broadcast of a local experimental EtherType (IEEE 802, clause 9.2.4)."""


def two_hosts(lab: Lab) -> tuple[Node, Node]:
    """Two hosts of the lab, joined."""
    h1, h2 = lab.host("h1", "192.168.146.131/24"), lab.host("h2", "192.168.146.136/24")
    lab.link(h1, h2)
    return h1, h2


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab, removed afterwards."""
    with Lab.unique(PREFIX) as lab:
        yield lab


def left_of(lab: Lab) -> list[str]:
    """The namespaces there are with the lab's name."""
    return [name for name in netns.names() if name.startswith(f"{lab.name}-")]


# --- what is built --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two-hosts", "three-vteps", "routed", "tenants"])
def test_examples(name: str) -> None:
    """In each example every host reaches every other, and no VM another, for nothing joins them yet."""
    unique = Lab.unique(PREFIX).name
    with Lab.load(EXAMPLES / f"{name}.lab.toml", name=unique) as lab:
        hosts = [node for node in lab if node.role == "host"]
        vms = [node for node in lab if node.role == "vm"]
        assert all(one.ping(other) for one in hosts for other in hosts)
        assert not any(one.ping(other, timeout=0.05) for one in vms for other in vms if one.address != other.address)
    assert left_of(lab) == []


def test_router_forwards(lab: Lab) -> None:
    """Hosts in two subnets reach each other through a router, which counts one hop."""
    h1 = lab.host("h1", "192.168.146.131/24", gateway="192.168.146.2")
    h2 = lab.host("h2", "192.168.147.136/24", gateway="192.168.147.2")
    router = lab.router("r1", ["192.168.146.2/24", "192.168.147.2/24"])
    lab.link(h1, router)
    lab.switch("s", router, h2)
    assert h1.ping(h2, count=3)
    lab["r1"].run("sysctl -qw net.ipv4.ip_forward=0")
    assert not h1.ping(h2, timeout=0.1)


def test_vm_and_its_device(lab: Lab) -> None:
    """A VM has the MAC, address and MTU it was given, its device in the host is up, and frames pass between them."""
    h1, _ = two_hosts(lab)
    a = lab.vm("a", on=h1, address="10.0.0.1/24", mac="02:00:00:00:00:AA", device="blue0", mtu=1400)
    assert (a.device, a.mac, str(a.address)) == ("blue0", "02:00:00:00:00:aa", "10.0.0.1")
    link = json.loads(a.ip("-j link show eth0"))[0]
    assert (link["mtu"], link["address"]) == (1400, "02:00:00:00:00:aa")
    h1.ip("address add 10.0.0.9/24 dev blue0")
    assert a.ping("10.0.0.9")
    assert a.ping("10.0.0.9", size=1400 - 28, df=True)
    assert not a.ping("10.0.0.9", size=1400 - 27, df=True)


def test_vms_may_overlap(lab: Lab) -> None:
    """VMs of one host may have the same IP and MAC addresses."""
    h1, _ = two_hosts(lab)
    one, other = (lab.vm(name, on="h1", address="10.0.0.1/24") for name in ("a1", "a2"))
    assert one.mac == other.mac == "02:00:0a:00:00:01"
    assert {one.device, other.device} <= {link["ifname"] for link in json.loads(h1.ip("-j link"))}


def test_ipv6(lab: Lab) -> None:
    """IPv6 addresses are usable at once."""
    h1 = lab.host("h1", ["192.168.146.131/24", "fd00:146::131/64"])
    h2 = lab.host("h2", ["fd00:146::136/64", "192.168.146.136/24"])
    lab.switch("s", h1, h2)
    assert h1.ping("fd00:146::136")
    assert h2.ping("192.168.146.131")


def test_ready_means_both_ends(lab: Lab) -> None:
    """Building does not go on before a device carries packets: here, not before its other end is up."""
    h1, _ = two_hosts(lab)
    h1.ip("link add near type veth peer name far")
    h1.ip("link set near up")
    waiting = threading.Thread(target=wait_ready, args=([Ip(h1.namespace, ("link", "set", "near", "up"))],))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    h1.ip("link set far up")
    waiting.join(5)
    assert not waiting.is_alive()


def test_links_are_quiet(lab: Lab, tmp_path: Path) -> None:
    """Nothing is on a link that nobody sent: no IPv6 multicast reports, no router solicitations."""
    h1, h2 = two_hosts(lab)
    h1.ip("link set eth0 down")
    with lab.capture(h2, "eth0", tmp_path / "quiet.pcapng") as capture:
        h1.ip("link set eth0 up")
        h1.wait(lambda: h1.ping(h2), what="the link to come back")
    assert {protocol for (protocol,) in capture.fields("frame.protocols")} <= {
        "eth:ethertype:arp",
        "eth:ethertype:ip:icmp:data",
    }


# --- what one does there --------------------------------------------------------------------------------------------


def test_run_returns_output_and_raises(lab: Lab) -> None:
    """A command's output is returned; a failure is one line, with everything printed in its notes."""
    h1, _ = two_hosts(lab)
    assert h1.run("printf", "%s", "a b").stdout == "a b"
    assert h1.run("cat", input="text").stdout == "text"
    assert h1.run("false", check=False).returncode == 1
    with pytest.raises(LabError) as caught:
        h1.run("sh", "-c", "echo out; echo first >&2; echo last >&2; exit 3")
    assert str(caught.value).endswith("exit 3: last")
    assert caught.value.__notes__ == ["out\nfirst\nlast"]
    with pytest.raises(LabError, match=r"no end after 0\.05 s"):
        h1.run("sleep 60", timeout=0.05)
    with pytest.raises(HostError, match="no-such-command is not installed"):
        h1.run("no-such-command")


def test_enter_is_for_this_thread_and_ends(lab: Lab) -> None:
    """Entering moves this thread alone, and only for the block, also when that fails."""
    h1, h2 = two_hosts(lab)

    def where() -> str:
        return str(Path("/proc/thread-self/ns/net").readlink())

    entered, elsewhere = threading.Event(), [""]

    def other_thread() -> None:
        entered.wait(5)
        elsewhere[0] = where()

    thread = threading.Thread(target=other_thread)
    thread.start()
    home = where()
    with contextlib.suppress(ZeroDivisionError), h1.enter():
        inside = where()
        entered.set()
        thread.join()
        with h2.enter():
            assert where() not in {home, inside}
        assert where() == inside != home
        _ = 1 / 0
    assert where() == home == elsewhere[0]


def test_sockets_made_inside_belong_there(lab: Lab) -> None:
    """A Python socket made in a node sends from the node's address, from then on and from anywhere."""
    h1, h2 = two_hosts(lab)
    with h2.enter():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("", 7000))
    with h1.enter():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client:
        server.settimeout(5)
        client.sendto(b"hello", (str(h2.address), 7000))
        assert server.recvfrom(100) == (b"hello", ("192.168.146.131", client.getsockname()[1]))


def test_multicast_crosses_a_switch(lab: Lab) -> None:
    """A switch carries multicast to every port, joined or not."""
    hosts = [lab.host(f"h{n}", f"192.168.146.{n}/24") for n in (1, 2, 3)]
    lab.switch("s", *hosts)
    receivers = []
    for host in hosts[1:]:
        with host.enter():
            receivers.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            receivers[-1].bind(("", 7000))
            request = socket.inet_aton("239.1.1.1") + socket.inet_aton(str(host.address))
            receivers[-1].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    with hosts[0].enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(str(hosts[0].address)))
        sender.sendto(b"to the group", ("239.1.1.1", 7000))
    for receiver in receivers:
        with receiver:
            receiver.settimeout(5)
            assert receiver.recv(100) == b"to the group"


def test_wait_is_inside(lab: Lab) -> None:
    """A node's condition is asked in the node, and waiting in vain says where and for what."""
    h1, _ = two_hosts(lab)
    assert h1.wait(lambda: netns.mac("eth0")) == "02:00:c0:a8:92:83"
    with pytest.raises(LabError, match="in vain for h1: rain"):
        h1.wait(lambda: False, timeout=0.01, what="rain")


# --- TAPs and captures ----------------------------------------------------------------------------------------------


def test_tap_carries_frames_both_ways(lab: Lab) -> None:
    """What is written to a TAP arrives in its host, and what the host sends there is read, byte for byte, in order."""
    h1, _ = two_hosts(lab)
    x, y = lab.tap(h1, "x"), lab.tap(h1, "y")
    h1.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
    for command in ("x master br0", "y master br0", "br0 up"):
        h1.ip(f"link set {command}")
    h1.wait(lambda: sum(link["operstate"] == "UP" for link in json.loads(h1.ip("-j link show type bridge"))))
    frames = [FRAME + bytes([n]) for n in range(100)]
    for frame in frames:
        x.write(frame)
    assert [y.read() for _ in frames] == frames
    y.write(FRAME)
    assert x.read() == FRAME
    assert y.read(timeout=0) is None


def test_tap_with_virtio_header(lab: Lab) -> None:
    """With the virtio header on, ten bytes stand before each frame in both directions."""
    h1, _ = two_hosts(lab)
    tap = lab.tap(h1, "x", vnet_header=True, mtu=1400)
    h1.ip("address add 10.0.0.9/24 dev x")
    assert json.loads(h1.ip("-j link show x"))[0]["mtu"] == 1400
    asks = bytes.fromhex("0001080006040001 020000000001 0a000001 000000000000 0a000009")
    tap.write(bytes(10) + bytes.fromhex("ffffffffffff 020000000001 0806") + asks)
    reply = tap.read()
    assert reply is not None
    assert reply[10:16] + reply[22:24] == bytes.fromhex("020000000001 0806")


def test_tap_twice(lab: Lab) -> None:
    """A TAP name that is taken is an error that names it, and a closed TAP is gone."""
    h1, _ = two_hosts(lab)
    with lab.tap(h1, "x"), pytest.raises(LabError, match="'x'"):
        lab.tap(h1, "x")
    assert "x" not in {link["ifname"] for link in json.loads(h1.ip("-j link"))}


@pytest.mark.parametrize("ending", [".pcapng", ".pcap"])
def test_capture_misses_nothing(lab: Lab, tmp_path: Path, ending: str) -> None:
    """Everything sent between start and stop is in the file: the first packet, the last, and all between."""
    h1, h2 = two_hosts(lab)
    assert h1.ping(h2)
    for count in (1, 500):
        with lab.capture(h2, "eth0", tmp_path / f"{count}{ending}", matching="icmp") as capture:
            assert h1.ping(h2, count=count)
        assert capture.dropped == 0
        assert capture.fields("icmp.type") == [("8",), ("0",)] * count


def test_capture_decodes(lab: Lab, tmp_path: Path) -> None:
    """Fields come as tshark reads them, those that appear twice with the outer value first."""
    h1, h2 = two_hosts(lab)
    for host, other in ((h1, "136"), (h2, "131")):
        host.ip(f"link add vx type vxlan id 5001 remote 192.168.146.{other} dstport 14789 noudpcsum")
        host.ip(f"address add 10.0.0.{other}/24 dev vx")
        host.ip("link set vx up")
    with lab.capture(h1, "eth0", tmp_path / "vxlan.pcapng") as capture:
        assert h1.ping("10.0.0.131")
    rows = capture.fields("ip.src", "udp.dstport", "vxlan.vni", matching="icmp.type == 8", dstport=14789)
    assert rows == [("192.168.146.131,10.0.0.136", "14789", "5001")]


def test_capture_of_nothing(lab: Lab, tmp_path: Path) -> None:
    """A device that is not there, a bad filter and a strange ending are errors; an empty capture is a file."""
    h1, _ = two_hosts(lab)
    with pytest.raises(LabError, match="nodev"):
        lab.capture(h1, "nodev", tmp_path / "x.pcapng")
    with pytest.raises(LabError, match="syntax error"):
        lab.capture(h1, "eth0", tmp_path / "x.pcapng", matching="and and")
    with pytest.raises(LabError, match=r"\.pcapng or \.pcap"):
        lab.capture(h1, "eth0", tmp_path / "x.txt")
    with lab.capture(h1, "eth0", tmp_path / "empty.pcapng", matching="tcp port 1") as capture:
        pass
    assert capture.fields("frame.number") == []


# --- what is removed ------------------------------------------------------------------------------------------------


def test_failure_inside_removes_everything() -> None:
    """Whatever ends the block, namespaces, devices and processes are gone: also those that ignore being asked."""
    lab, processes = Lab.unique(PREFIX), []
    with contextlib.suppress(ZeroDivisionError), lab:
        h1, _ = two_hosts(lab)
        processes.append(h1.popen("sleep 60"))
        with h1.enter():
            processes.append(subprocess.Popen(("sleep", "60"), text=True))
        processes.append(h1.popen("sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait", stdout=subprocess.PIPE))
        assert processes[2].stdout
        assert processes[2].stdout.readline() == "ready\n"
        _ = 1 / 0
    assert left_of(lab) == []
    assert [process.wait() for process in processes] == [-signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL]


def test_processes_elsewhere_are_let_be(lab: Lab) -> None:
    """Taking a lab down ends nothing outside of it, and nothing of another lab."""
    two_hosts(lab)
    with subprocess.Popen(("sleep", "60")) as outside, Lab.unique(PREFIX) as other:
        h1, _ = two_hosts(other)
        process = h1.popen("sleep 60")
        lab.down()
        assert (outside.poll(), process.poll()) == (None, None)
        outside.terminate()


def test_existing_namespace_is_refused_and_kept() -> None:
    """A lab does not touch a namespace that is there already: the error says whose it is, and what to do."""
    file = EXAMPLES / "two-hosts.lab.toml"
    unique = Lab.unique(PREFIX).name
    with Lab.load(file, name=unique) as first:
        with pytest.raises(LabError, match=rf"{unique}-h1 exists already, in a program's lab {unique}"):
            Lab.load(file, name=unique).up()
        assert len(left_of(first)) == 4
        with pytest.raises(LabError, match="exists already"):
            Lab(unique).host("a", "192.0.2.1/24")
        assert len(left_of(first)) == 4


def test_half_built_lab_is_taken_down() -> None:
    """What a lab killed half-way left behind is removed, and removing it again is no error."""
    lab = Lab.load(EXAMPLES / "two-hosts.lab.toml", name=Lab.unique(PREFIX).name)
    outside = [step for step in lab.steps() if not step.namespace]
    for step in outside[:-1]:
        subprocess.run(str(step).split(), check=True)
    assert left_of(lab)
    lab.down()
    assert left_of(lab) == []
    lab.down()


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """When a step fails, all of a file's lab or the one node is undone, and the error names the command."""
    file = tmp_path / f"{Lab.unique(PREFIX).name}.lab.toml"
    # A device with so small an MTU has no IPv6 (RFC 8200, section 5), so the kernel refuses.
    vm = '\n[[vms]]\nname = "c"\nhost = "h1"\naddress = "fd00::1/64"\nmtu = 1000\n'
    file.write_text((EXAMPLES / "two-hosts.lab.toml").read_text(encoding="utf-8") + vm, encoding="utf-8")
    refused = r"sysctl -qw net\.ipv6\.conf\.eth0\.disable_ipv6=0: No such file"
    with pytest.raises(LabError, match=refused):
        Lab.load(file).up()
    assert left_of(Lab.load(file)) == []
    with Lab.unique(PREFIX) as lab:
        h1, _ = two_hosts(lab)
        before = left_of(lab)
        with pytest.raises(LabError, match=refused):
            lab.vm("c", on=h1, address="fd00::1/64", mtu=1000)
        assert left_of(lab) == before
        assert lab.vm("c", on=h1, address="fd00::1/64").name == "c"


def test_nodes_no_longer_in_the_file_are_removed_too(tmp_path: Path) -> None:
    """A file may be edited between up and down: nodes it has no more are still the lab's."""
    file = tmp_path / f"{Lab.unique(PREFIX).name}.lab.toml"
    text = (EXAMPLES / "two-hosts.lab.toml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    lab = Lab.load(file)
    lab.up()
    file.write_text(text.partition("[[vms]]")[0], encoding="utf-8")
    Lab.load(file).down()
    assert left_of(lab) == []


def test_foreign_namespace_is_not_removed() -> None:
    """A namespace in use that no lab made is left alone, although it is named like a node."""
    lab = Lab.load(EXAMPLES / "two-hosts.lab.toml", name=Lab.unique(PREFIX).name)
    namespace = f"{lab.name}-h1"
    subprocess.run(("ip", "netns", "add", namespace), check=True)
    try:
        subprocess.run(("ip", "-n", namespace, "link", "set", "lo", "up"), check=True)
        with pytest.raises(LabError, match=f"namespace {namespace} is not of this lab"):
            lab.down()
        with pytest.raises(LabError, match="and is no lab's"):
            lab.up()
        assert netns.exists(namespace)
    finally:
        subprocess.run(("ip", "netns", "delete", namespace), check=True)


def test_impossible_nodes_are_refused_before_anything_is_made(lab: Lab) -> None:
    """What cannot be in a lab is refused, and the lab is as it was."""
    two_hosts(lab)
    before = left_of(lab)
    with pytest.raises(ConfigError, match="another node"):
        lab.host("h1", "192.0.2.1/24")
    with pytest.raises(ConfigError, match=r"'10\.0\.0\.1' lacks its prefix length"):
        lab.vm("a", on="h1", address="10.0.0.1")
    with pytest.raises(ConfigError, match="one eth0"):
        lab.link("h1", "h2")
    assert left_of(lab) == before


# --- the command line -----------------------------------------------------------------------------------------------

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Path]:
    """A file of a lab with a name of its own, taken down afterwards."""
    file = tmp_path / f"{Lab.unique(PREFIX).name}.lab.toml"
    file.write_text((EXAMPLES / "tenants.lab.toml").read_text(encoding="utf-8"), encoding="utf-8")
    yield file
    Lab.load(file).down()


def vxnet_lab(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `vxnet lab` as a process."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        (sys.executable, "-m", "vxnet", "lab", *map(str, words)), capture_output=True, text=True, check=False, env=env
    )


def test_command_line(topology: Path) -> None:
    """`up`, `exec`, `list` and `down` do what they say; success is quiet, and `down` may be repeated."""
    quiet = (0, "", "")
    done = vxnet_lab("up", topology)
    assert (done.returncode, done.stdout, done.stderr) == quiet
    assert "10.0.0.1/24" in vxnet_lab("exec", topology, "a1", "--", "ip", "-br", "address").stdout
    assert vxnet_lab("exec", topology, "a1", "sh", "-c", "exit 7").returncode == 7
    rows = {row["name"]: row for row in json.loads(vxnet_lab("list", topology, "--json").stdout)}
    assert rows["a1"] == {
        "name": "a1",
        "role": "vm",
        "up": True,
        "addresses": ["10.0.0.1/24"],
        "gateway": "",
        "host": "h1",
        "device": "tap-a1",
        "mac": "02:00:0a:00:00:01",
        "namespace": f"{topology.name.removesuffix('.lab.toml')}-a1",
    }
    assert [line.split()[:3] for line in vxnet_lab("list", topology).stdout.splitlines()[1:3]] == [
        ["h1", "host", "yes"],
        ["h2", "host", "yes"],
    ]
    for _ in range(2):
        done = vxnet_lab("down", topology)
        assert (done.returncode, done.stdout, done.stderr) == quiet
    assert not any(row["up"] for row in json.loads(vxnet_lab("list", topology, "--json").stdout))


def test_command_line_echoes_what_can_be_typed(topology: Path) -> None:
    """With --echo the commands are printed, and typing them builds the same lab."""
    echoed = vxnet_lab("up", topology, "--echo").stdout
    Lab.load(topology).down()
    subprocess.run(("sh", "-e"), input=echoed, text=True, check=True)
    assert Lab.load(topology)["h1"].ping("192.168.146.136")
    Lab.load(topology).down()
    assert left_of(Lab.load(topology)) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exec", "{}", "a1", "true"), "a1 is not up; build the lab: vxnet lab up {}"),
        (("exec", "{}", "zz", "true"), "has no node 'zz'"),
        (("up", "{}.gone"), "{}.gone: "),
    ],
)
def test_command_line_errors(topology: Path, words: tuple[str, ...], said: str) -> None:
    """An error is one line on stderr and exit code 1."""
    done = vxnet_lab(*(word.replace("{}", str(topology)) for word in words))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said.replace("{}", str(topology)) in done.stderr


def test_command_line_when_up_already(topology: Path) -> None:
    """Building a lab twice is refused with the command that helps, and what runs goes on."""
    assert vxnet_lab("up", topology).returncode == 0
    done = vxnet_lab("up", topology)
    assert done.returncode == 1
    assert done.stderr.endswith(f"remove it: vxnet lab down {topology}\n")
    assert Lab.load(topology)["h1"].ping("192.168.146.136")
