# SPDX-License-Identifier: Apache-2.0
"""The control socket's lines, and what a caller makes of the answers."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from vxnet.daemon.control import (
    SOCKET,
    Answer,
    Done,
    Down,
    Failed,
    Quit,
    Request,
    Running,
    Status,
    Step,
    Up,
    Waiting,
    ask,
    decode_request,
    encode,
    is_running,
    socket_path,
    status,
)
from vxnet.errors import ControlError
from vxnet.model import DOWN, FdbEntry, HostState, Port, Segment, Vtep
from vxnet.plan import Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMOTE = IPv4Address("192.168.146.136")
HOST = HostState(
    vtep=Vtep(local=IPv4Address("192.168.146.131"), dstport=8472),
    segments=(
        Segment(name="blue", vni=5001, remotes=(REMOTE,), ageing=0),
        Segment(name="red", vni=2**24 - 1, group=IPv4Address("239.1.1.1"), learning=False, maxaddress=1),
    ),
    ports=(Port(device="tap-a", segment="blue"),),
    fdb=(
        FdbEntry(segment="blue", mac="52:54:00:00:00:01", port="tap-a"),
        FdbEntry(segment="red", mac="52:54:00:00:00:02", remote=REMOTE),
    ),
)
STEP = Step.of(Change(action="add", kind="port", name="tap-ä", reason="a\nb", value=HOST.ports[0]))


@contextmanager
def daemon(run_dir: Path, *lines: bytes) -> Iterator[list[bytes]]:
    """Answer one request with ``lines`` and hang up; the list holds what was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path(run_dir)))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                asked.append(stream.readline())
                for line in lines:
                    connection.sendall(line)

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


@pytest.mark.parametrize("request_", [Up(HOST, 4026531840), Up(DOWN, 1), Down(1), Quit(), Status()])
def test_requests_arrive_as_they_were_sent(request_: Request) -> None:
    """A request is one line and reads back as the same value, addresses and all."""
    line = encode(request_)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_request(line) == request_


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"up\n",
        b"{}\n",
        b'{"type":"Done"}\n',
        b'{"type":"Down"}\n',
        b'{"type":"Up","netns":1,"state":{"vtep":{"local":"not an address"}}}\n',
        b'{"type":"Up","netns":1,"state":{"vtep":{"local":"192.0.2.1","dstport":"4789"}}}\n',
        b"\xff\xfe\n",
        encode(Up(HOST, 1))[:-20],
        b'{"type":"LookUp","port":"\xff"}\n',
        b'{"type":"\\n"}\n',
        b'{"type":"Status","x":' + b"[" * 2000 + b"\n",
    ],
)
def test_bad_requests_are_refused(line: bytes) -> None:
    """What is no request is told apart, whatever it is, in one line."""
    with pytest.raises(ControlError, match=r"\Athat is no request that this vxnetd knows: .+\Z"):
        decode_request(line)


def test_steps_are_told_until_done(tmp_path: Path) -> None:
    """The caller hears of each step, in order, and returns when all is done."""
    steps: list[Step] = []
    other = Step("remove", "fdb", "blue 52:54:00:00:00:01", "no longer in the desired state")
    with daemon(tmp_path, encode(STEP), encode(other), encode(Done())) as asked:
        ask(tmp_path, Up(HOST, 7), steps.append)
    assert steps == [STEP, other]
    assert [decode_request(line) for line in asked] == [Up(HOST, 7)]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            (STEP, Failed("ports[0].device: device tap-a does not exist")),
            "ports[0].device: device tap-a does not exist",
        ),
        ((STEP,), "ended before it was done; see .*vxnetd.log"),
        ((), "ended before it was done"),
    ],
)
def test_failures_are_told_in_the_daemons_words(tmp_path: Path, answers: tuple[Answer, ...], words: str) -> None:
    """What the daemon says of a failure is what the caller says; silence is a failure too."""
    pattern = words if "*" in words else words.replace("[", r"\[")
    with daemon(tmp_path, *map(encode, answers)), pytest.raises(ControlError, match=pattern):
        ask(tmp_path, Down(1))


@pytest.mark.parametrize("line", [b"hello\n", b'{"type":"Later"}\n', b'{"type":"Step"}\n'])
def test_an_answer_in_other_words_is_another_version(tmp_path: Path, line: bytes) -> None:
    """A daemon of another version is told from a failure."""
    with daemon(tmp_path, line), pytest.raises(ControlError, match="another version"):
        ask(tmp_path, Quit())


def test_nobody_there(tmp_path: Path) -> None:
    """No socket, or one that nobody listens on any more, is no daemon."""
    assert not is_running(tmp_path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    assert not is_running(tmp_path)
    with pytest.raises(ControlError, match="does not run: Connection refused"):
        ask(tmp_path, Quit())


def test_status_of_nobody(tmp_path: Path) -> None:
    """Where no daemon runs there is no status, and that is no failure."""
    assert status(tmp_path) is None


def test_status(tmp_path: Path) -> None:
    """What the daemon says of itself arrives as it was said."""
    said = Running(4711, (Waiting("tap-a", "blue", "device tap-a does not exist"),), "")
    with daemon(tmp_path, encode(said)):
        assert status(tmp_path) == said


def test_somebody_there(tmp_path: Path) -> None:
    """A daemon that takes connections is running."""
    with daemon(tmp_path):
        assert is_running(tmp_path)


def test_a_path_no_socket_can_have(tmp_path: Path) -> None:
    """A run directory that is too long for a socket is refused with its name and the limit."""
    fits = tmp_path / ("x" * (107 - len(str(tmp_path)) - len(f"//{SOCKET}")))
    assert len(str(socket_path(fits))) == 107
    with pytest.raises(ControlError, match="at most 107 bytes"):
        socket_path(fits.with_name(fits.name + "x"))
