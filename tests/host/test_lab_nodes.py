# SPDX-License-Identifier: Apache-2.0
"""What one does in a node of a lab: run commands, enter it, make sockets, wait."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from tests.support.labs import two_hosts
from vxnet.errors import HostError, LabError
from vxnet.lab import Lab, netns


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
