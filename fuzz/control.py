# SPDX-License-Identifier: Apache-2.0
"""The control socket of a vxnetd that serves two machines: it goes on serving, and they go on talking.

    bytes, half requests, long lines, requests nobody would make  --> [ h1: vxnetd ] --- [ h2: vxnetd ]
    connections that say nothing, or go away in the middle             |                  |
                                                                       a  <--- ping --->  b

After each round, whatever was asked before: the same process says how it is, the state that was wanted is reached
again, its log has no traceback, and a reaches b. Whoever may open the socket is root: an odd request may be granted.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from fuzz import corpus
from fuzz.mutation import mutated
from tests.support.running import Host, Pair, pair_in
from vxnet.daemon import control
from vxnet.model import Bridge, HostState, Neighbour, Source, Tunnel

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "control"

REQUESTS = 60
"""How many a round sends."""

PATIENCE = 20.0
"""Seconds an answer may take: the daemon may be busy with what was asked before."""

SILENT = 200
"""How many connections stay open through a round and say nothing."""


def run(rounds: Iterable[int], count: int = REQUESTS) -> Counter[str]:
    """Send the corpus, then what is made up; return what was answered. Needs root."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, pair_in(Path(folder), "vxfuzz") as pair:
        for data in corpus.kept(NAME).values():
            data = data.replace(b'"netns":0', b'"netns":%d' % _netns(pair.h1))  # noqa: PLW2901  (of no other lab)
            seen[_asked(pair.h1, data)] += 1
            _serves_and_forwards(pair, data)
        for number in rounds:
            seen += _round(pair, Random(number), count)
    return seen


def _round(pair: Pair, random: Random, count: int) -> Counter[str]:
    good = _good(pair)
    sent = [data for data in (_drawn(random, good) for _ in range(count)) if not _ends_it(data)]
    seen: Counter[str] = Counter()
    pid = pair.h1.pid
    with contextlib.ExitStack() as open_ones:
        for _ in range(random.randint(0, SILENT)):
            open_ones.enter_context(_connected(pair.h1))
        for data in sent:
            match random.choice(("ask", "ask", "ask", "leave", "half")):
                case "ask":
                    seen[_asked(pair.h1, data)] += 1
                case "leave":
                    _said(pair.h1, data)
                    seen["left before the answer"] += 1
                case _:
                    half = data.rstrip(b"\n")[: random.randint(0, len(data))]
                    open_ones.enter_context(_said(pair.h1, half, stay=True))
                    seen["said half of it"] += 1
        assert pair.h1.pid == pid, "the daemon ended"
    _serves_and_forwards(pair, *sent)
    return seen


def _serves_and_forwards(pair: Pair, *sent: bytes) -> None:
    try:
        status = control.ask(pair.h1.run_dir, control.Status())
        assert isinstance(status, control.Running)
        pair.h1.up(pair.one)
        log = pair.h1.log()
        assert "Traceback" not in log, log[-3000:]
        assert pair.a.ping(pair.b)
    except Exception as error:
        error.add_note(f"what was sent is {[str(corpus.found(NAME, data)) for data in sent][:REQUESTS]}")
        raise


# ---- talking ---------------------------------------------------------------------------------------------------------


def _connected(host: Host) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(host.run_dir / control.SOCKET))
    connection.settimeout(PATIENCE)
    return connection


def _said(host: Host, data: bytes, *, stay: bool = False) -> socket.socket:
    """Say something and go, or ``stay``."""
    connection = _connected(host)
    with contextlib.suppress(BrokenPipeError):  # it may have heard enough
        connection.sendall(data)
    if not stay:
        connection.close()
    return connection


def _asked(host: Host, data: bytes) -> str:
    """Say something, and return in a word what the answer was: there is one, to whatever is a line."""
    with _connected(host) as connection:
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(1 << 16):
            answer += more
    said = [msgspec.json.decode(line, type=control.Answer) for line in answer.splitlines()]
    assert said, f"no answer to {data[:2000]!r}"
    *steps, last = said
    assert all(isinstance(step, control.Step) for step in steps)
    assert not isinstance(last, control.Step), f"nobody said how it ended: {data[:2000]!r}"
    assert not isinstance(last, control.Failed) or last.message.isprintable(), last
    return type(last).__name__


# ---- requests --------------------------------------------------------------------------------------------------------


def _ends_it(data: bytes) -> bool:
    """Tell whether this is a request that ends the daemon, as it should."""
    with contextlib.suppress(Exception):
        return isinstance(control.decode_request(data.partition(b"\n")[0]), control.Down | control.Quit)
    return False


def _netns(host: Host) -> int:
    return Path(f"/run/netns/{host.node.namespace}").stat().st_ino


def _good(pair: Pair) -> list[bytes]:
    """Requests as they are made, and some for states that no host file asks for."""
    netns = _netns(pair.h1)
    odd = HostState(
        bridges=(Bridge(name="br0"),),
        tunnels=(Tunnel(name="t0", bridge="br0", vni=7, vni_out=7, remote=None),),
        neighbours=(Neighbour(segment="blue", address="10.0.0.2", mac="02:00:00:00:00:02"),),
    )
    port = msgspec.structs.replace(pair.one.ports[0], sources=(Source("02:00:00:00:00:01", "10.0.0.1/32"),))
    states = (pair.one, odd, msgspec.structs.replace(pair.one, ports=(port,), neighbours=odd.neighbours), HostState())
    requests: list[control.Request] = [control.Up(state, netns) for state in states]
    requests += [control.Status(), control.ListPorts(), control.LookUp("x"), control.Down(1)]
    return [control.encode(request) for request in requests]


def _drawn(random: Random, good: list[bytes]) -> bytes:
    kind = random.random()
    data = random.choice(good)
    if kind < _VALUES_CHANGED:
        return msgspec.json.encode(_odd(random, msgspec.json.decode(data))) + b"\n"
    if kind < _BYTES_CHANGED:
        return mutated(random, data, good).rstrip(b"\n") + b"\n"
    return random.choice(_STRANGE)


_VALUES_CHANGED, _BYTES_CHANGED = 0.7, 0.9

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 4095, 4096, 2**16, 2**24, 2**31, 2**32, 2**63, 2**64 - 1, 1.5),
    *("", "x" * 16, "x" * 4000, "a/b", "\0", "\n", "ü" * 8, "blue", "tap-a", "eth0", "lo", "vxnet4789"),
    *("0.0.0.0", "127.0.0.1", "192.168.146.131", "192.168.146.136", "239.1.1.1", "255.255.255.255", "fd00::1", "::"),  # noqa: S104  (bound to nothing)
    *("02:00:00:00:00:01", "01:00:00:00:00:01", "10.0.0.0/8", "10.0.0.1/8", "::/0", "access", "trunk"),
    *([], [1], {}, {"a": 1}, [[]], ["192.168.146.136"] * 2),
)

_STRANGE = (
    b"",
    b"\n",
    b"\0\n",
    b"\xff\xfe\n",
    b"null\n",
    b"{}\n",
    b"[" * 100_000 + b"\n",
    b'{"type": "Status", "x": ' + b"[" * 100_000 + b"\n",
    b'{"type": "Status", "x": ' + b'{"a":' * 100_000 + b"\n",
    b'{"type": "Up", "netns": 1e999, "state": {}}\n',
    b'{"type": "LookUp", "port": "' + b"x" * (1 << 20) + b'"}\n',
    b" " * (1 << 22) + b"\n",
    b'{"type": "Status"}',
    b'{"type": "Status"}\n{"type": "Status"}\n',
    b"GET / HTTP/1.1\r\n\r\n",
)


def _odd(random: Random, value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Return JSON with one value of it exchanged, left out or doubled."""
    if isinstance(value, dict) and value and random.random() < 0.95:
        key = random.choice(list(value))
        if random.random() < 0.05:
            return {name: its for name, its in value.items() if name != key}
        return {**value, key: _odd(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        if random.random() < 0.1:
            return [*value, value[at]]
        return [*value[:at], _odd(random, value[at]), *value[at + 1 :]]
    return random.choice(_ODD)
