# SPDX-License-Identifier: Apache-2.0
"""The control socket: how the commands talk to vxnetd.

A Unix stream socket, RUN_DIR/vxnetd.sock. One request, one line of JSON; then answers, a line each, the last of them
Done, Running, Details, Ports or Failed:

    Up(state)   ->  Step(change) ...  Done        bring the host to this state
    Down()      ->  Step(change) ...  Done        take it all away; the daemon ends
    Quit()      ->  Done                          the daemon ends, the kernel goes on forwarding
    Status()    ->  Running(pid, ...)             what only the daemon knows; at once, whatever else it is doing
    LookUp(port) -> Details(...)                  of an agent: what a machine has to know to be this port
    ListPorts()  -> Ports(...)                    of an agent: the same of each port bound to this host

The socket's mode is 0660, its group the run directory's (rundir.py): whoever may talk to it may change the network.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from vxnet.errors import ControlError
from vxnet.model import HostState, IPAddress
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.plan import Change

SOCKET, LOCK, LOG = "vxnetd.sock", "vxnetd.lock", "vxnetd.log"
"""The files of a run directory. Whoever holds the lock is its daemon."""

PIDFILE = "ovs-vswitchd.pid"
"""The file that has the process of `vxnet ovs-vswitchd`, which has no control socket."""

_MAX_PATH = 107
"""The longest path a Unix socket can have, in bytes (unix(7))."""


class Up(msgspec.Struct, frozen=True, tag=True):
    """Bring the host to ``state``. ``netns`` is the inode of the caller's network namespace."""

    state: HostState
    netns: int


class Down(msgspec.Struct, frozen=True, tag=True):
    """Take everything away and end."""

    netns: int


class Quit(msgspec.Struct, frozen=True, tag=True):
    """End and leave the kernel as it is."""


class Status(msgspec.Struct, frozen=True, tag=True):
    """Say how it is going."""


class LookUp(msgspec.Struct, frozen=True, tag=True):
    """Say what is known of a port of the cluster: its id, the beginning of it, or its name."""

    port: str


class ListPorts(msgspec.Struct, frozen=True, tag=True):
    """Say what is known of every port bound to this host."""


Request = Up | Down | Quit | Status | LookUp | ListPorts


class Step(msgspec.Struct, frozen=True, tag=True):
    """A change that is being made."""

    action: str
    kind: str
    name: str
    reason: str

    @classmethod
    def of(cls, change: Change) -> Step:
        """Return what is told of a change."""
        return cls(change.action, change.kind, change.name, change.reason)


class Done(msgspec.Struct, frozen=True, tag=True):
    """All is as it was asked to be."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """It could not be done; ``message`` is one line for people."""

    message: str


class Waiting(msgspec.Struct, frozen=True):
    """A port that cannot be attached now, and why in words; it is attached as soon as it can be."""

    device: str
    segment: str
    reason: str


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """A remote that is watched, ``by`` "bfd" or "probe".

    BFD has states of both ends: "admin-down", "down", "init" or "up". A probe has "down" or "up"; its ``remote_state``
    is "".

    ``seconds`` since it came up, or, if it is not up, since it went down or has been watched. ``dead``: it was up, and
    is not. Packets ``sent``, ``received`` and ``discarded`` are of this session; ``downs``: how often it went down.
    """

    address: str
    by: Literal["bfd", "probe"]
    state: str
    remote_state: str
    seconds: float
    dead: bool
    sent: int
    received: int
    discarded: int
    downs: int


class Running(msgspec.Struct, frozen=True, tag=True):
    """The daemon runs. ``trouble`` is what else stands in the way of the desired state, "" for nothing.

    ``remotes`` are those that are watched.
    """

    pid: int
    waiting: tuple[Waiting, ...]
    trouble: str
    remotes: tuple[Remote, ...] = ()


class Details(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A port of the cluster that is bound to this host.

    ``addresses`` have their prefix length, ``routes`` are pairs of destination and next hop, ``mtu`` is in bytes.
    ``device`` is the port's here, whether it exists or not; ``waits_for`` says why it does not forward, "" if it does.
    """

    id: str
    name: str
    network: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    dns_nameservers: tuple[str, ...]
    device: str
    waits_for: str


class Ports(msgspec.Struct, frozen=True, tag=True):
    """Every port that is bound to this host."""

    ports: tuple[Details, ...]


Answer = Step | Done | Failed | Running | Details | Ports
Last = Done | Running | Details | Ports


class NotRunningError(ControlError):
    """Nobody listens at the control socket."""


def encode(message: Request | Answer) -> bytes:
    """Return one message as a line."""
    return msgspec.json.encode(message, enc_hook=str) + b"\n"


def decode_request(line: bytes) -> Request:
    """Return the request in a line. ControlError says why anything else is none."""
    try:
        return _REQUESTS.decode(line)
    except UNDECODABLE as error:
        why = str(error).encode("unicode_escape").decode()  # a line: it may quote what was sent
        message = f"that is no request that this vxnetd knows: {why}"
        raise ControlError(message) from error


def _address(wanted: type, value: Any) -> Any:  # noqa: ANN401  (msgspec's hook)
    if wanted in {IPAddress, IPv6Address}:
        return ip_address(value)
    message = f"{wanted} is not known here"
    raise NotImplementedError(message)


_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request, dec_hook=_address)
_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def socket_path(run_dir: Path) -> Path:
    """Return where the daemon of ``run_dir`` listens. ControlError when the path is too long for a socket."""
    path = run_dir / SOCKET
    if len(bytes(path)) > _MAX_PATH:
        message = f"--run-dir {run_dir}: too long; {path} must have at most {_MAX_PATH} bytes"
        raise ControlError(message)
    return path


def is_running(run_dir: Path) -> bool:
    """Tell whether a daemon answers there."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(socket_path(run_dir))) == 0


def status(run_dir: Path) -> Running | None:
    """Return what the daemon says of itself; None if none runs. ControlError if it gives no answer to that."""
    try:
        answer = ask(run_dir, Status())
    except NotRunningError:
        return None
    return answer if isinstance(answer, Running) else None


def ask(run_dir: Path, request: Request, progress: Callable[[Step], None] = lambda _: None) -> Last:
    """Send a request and return its last answer. ControlError with the daemon's words if it failed."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(socket_path(run_dir)))
            connection.sendall(encode(request))
            with connection.makefile("rb") as lines:
                for line in lines:
                    match _ANSWERS.decode(line):
                        case Step() as step:
                            progress(step)
                        case Failed(text):
                            raise ControlError(text)
                        case last:
                            return last
        except (FileNotFoundError, ConnectionRefusedError) as error:
            message = f"vxnetd of {run_dir} does not run: {error.strerror}"
            raise NotRunningError(message) from error
        except PermissionError as error:
            message = f"{run_dir} is not for this user; try again with sudo, or let root put you into its group"
            raise ControlError(message) from error
        except OSError as error:
            message = f"vxnetd of {run_dir} does not answer: {error.strerror}"
            raise ControlError(message) from error
        except UNDECODABLE as error:
            message = f"vxnetd of {run_dir} is of another version; end it, which takes nothing away, and try again"
            raise ControlError(message) from error
    message = f"vxnetd of {run_dir} ended before it was done; see {run_dir / LOG}"
    raise ControlError(message)
