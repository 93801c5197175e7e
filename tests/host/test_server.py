# SPDX-License-Identifier: Apache-2.0
"""`vxnet server` as a process: how it starts, who it lets in, what it says when it cannot, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import httpx
import pytest

from vxnet.errors import LabError
from vxnet.lab.apiserver import ApiServer
from vxnet.lab.etcd import Etcd
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What has to be ended after a test."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def new(tmp_path: Path, stack: ExitStack) -> Callable[..., ApiServer]:
    """Make servers, on one SQLite file unless told otherwise; none runs yet."""

    def server(*arguments: str, store: str = "", **more: str | dict[str, str]) -> ApiServer:
        made = ApiServer(tmp_path, store or f"sqlite://{tmp_path}/cluster.db", *arguments, **more)  # type: ignore[arg-type]
        stack.callback(made.close)
        return made

    return server


def stream(server: ApiServer, token: str, stack: ExitStack) -> Iterator[str]:
    """Open an agent's stream."""
    client = stack.enter_context(httpx.Client(headers={"X-Auth-Token": token}, trust_env=False, timeout=30))
    answer = stack.enter_context(client.stream("GET", f"{server.url}/agent/v1/h1/stream?after=0"))
    assert answer.status_code == 200
    return answer.iter_lines()


def status(server: ApiServer, *, user: tuple[str, str] | None = None, verify: ssl.SSLContext | bool = True) -> int:
    """Return how a request that is for administrators ends."""
    auth = httpx.BasicAuth(*user) if user else None
    with httpx.Client(auth=auth, trust_env=False, verify=verify, timeout=30) as client:
        return client.post(f"{server.url}/cluster/v1/audit").status_code


# ---- its start ----


def test_ready_is_said_to_systemd_once_it_answers(new: Callable[..., ApiServer], tmp_path: Path) -> None:
    """READY when it listens, STOPPING when it is told to end, and WATCHDOG in between, as often as asked."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        server = new(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"})
        server.launch()
        heard = [systemd.recv(4096).decode() for _ in range(4)]
        ready = next(text for text in heard if text.startswith("READY=1\nSTATUS=listens on http://127.0.0.1:"))
        server.url = ready.rpartition(" ")[2]
        assert status(server) == 401
        assert heard.count("WATCHDOG=1") == 3
        assert server.stop() == 0
        while (told := systemd.recv(4096)) == b"WATCHDOG=1":
            pass
        assert told == b"STOPPING=1"


def test_the_address_is_taken(new: Callable[..., ApiServer]) -> None:
    """One line says which, and what to do; the store is not touched."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        server = new(listen=f"127.0.0.1:{port}")
        with pytest.raises(LabError):
            server.start()
    assert server.process.returncode == 1
    assert server.log().startswith(f"vxnet: error: listen 127.0.0.1:{port}: address already in use; ")
    assert server.log().count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--tls-cert", "/none.crt", "--tls-key", "/none.key"), "/none.crt: the certificate or key cannot be read"),
        (("--config", "/none.toml"), "/none.toml: cannot be read: No such file or directory"),
        (("--store", "sqlite:///none/cluster.db"), "/none/cluster.db.lock: no such file or directory"),
        (("--store", "mysql://x"), "store: 'mysql://x' is not sqlite:///PATH or etcd://"),
    ],
)
def test_what_it_cannot_start_with(new: Callable[..., ApiServer], arguments: tuple[str, ...], error: str) -> None:
    """A file that is missing is named, in one line."""
    server = new(*arguments)
    with pytest.raises(LabError):
        server.start()
    assert server.process.returncode == 1
    assert server.log().startswith(f"vxnet: error: {error}")
    assert server.log().count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--listen", "nowhere"),
        ("--listen", "127.0.0.1:70000"),
        ("--vni-range", "9-5"),
        ("--vni-range", "1-10", "--vni-range", "10-20"),
        ("--tls-cert", "/none.crt"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(new: Callable[..., ApiServer], arguments: tuple[str, ...]) -> None:
    """It is exit code 2, and the option is named."""
    server = new(*arguments)
    with pytest.raises(LabError):
        server.start()
    assert server.process.returncode == 2
    assert arguments[0] in server.log()


def test_plain_http_that_others_reach_is_said(new: Callable[..., ApiServer]) -> None:
    """Once, in the log; on loopback there is nothing to say."""
    assert "plain HTTP" not in new(name="local").start().log()
    other = new(name="open", listen="0.0.0.0:0", store=f"sqlite://{new()._log.parent}/other.db")
    assert other.start().log().count("plain HTTP") == 1


def test_a_task_that_dies_ends_the_process(new: Callable[..., ApiServer], tmp_path: Path) -> None:
    """Nothing goes on with a part of it missing: the words of what died are the last, and the exit code is 1."""
    code = (
        "from vxnet.cli.main import main\n"
        "from vxnet.errors import VxnetError\n"
        "from vxnet.server import compaction\n"
        "async def die(cluster):\n"
        "    raise VxnetError('the compaction is broken')\n"
        "compaction.run = die\n"
        "main()\n"
    )
    words = ("server", "--listen", "127.0.0.1:0", "--store", f"sqlite://{tmp_path}/cluster.db")
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "vxnet: error: the compaction is broken"
    assert servers(new()) == []


# ---- one SQLite file, one server ----


def test_a_second_server_on_one_file_is_refused(new: Callable[..., ApiServer]) -> None:
    """It names the first, and what to do; the first goes on. Once that is gone, the second may start."""
    first, second = new(name="first").start(), new(name="second")
    with pytest.raises(LabError):
        second.start()
    assert f"the server at {first.url}, process {first.process.pid}, has it; end that, or use etcd" in second.log()
    assert status(first) == 401
    with pytest.raises(LabError, match="has it"):
        first.cluster("restore", f"{first._log.parent}/none")
    first.kill()
    second.start()


def test_users_come_and_go_beside_a_running_server(new: Callable[..., ApiServer]) -> None:
    """A command's user is let in at once, with the role it has, and is out as soon as it is deleted."""
    server = new().start()
    ana = "ana", "a:b ü"
    assert status(server, user=ana) == 401
    server.add_user("ana", "green", "member", "a:b ü")
    assert status(server, user=ana) == 403
    server.cluster("user", "delete", "ana")
    server.add_user("ana", "green", "admin", "a:b ü")
    assert status(server, user=ana) == 200
    server.cluster("user", "set-password", "ana", "--password-file", "-", stdin="another\n")
    wait_until(lambda: status(server, user=ana) == 401, what="the old password to be refused")
    assert status(server, user=("ana", "another")) == 200
    assert "a:b" not in server.log()
    assert "ana POST /cluster/v1/audit 403 " in server.log()


def test_an_agent_speaks_for_its_host_alone(new: Callable[..., ApiServer], stack: ExitStack) -> None:
    """Its token opens its own stream, another host's not; once it is deleted none, and its open stream ends."""
    server = new().start()
    token = server.agent_token("h1")
    lines = stream(server, token, stack)
    assert json.loads(next(lines))["type"] == "snapshot"
    other = f"{server.url}/agent/v1/h2/stream?after=0"
    assert httpx.get(other, headers={"X-Auth-Token": token}, trust_env=False).status_code == 403
    server.cluster("agent-token", "h1", "--revoke")
    assert all(json.loads(line)["type"] == "tick" for line in lines)  # and that it ends
    own = f"{server.url}/agent/v1/h1/stream?after=0"

    def refused() -> bool:
        with httpx.stream("GET", own, headers={"X-Auth-Token": token}, trust_env=False) as answer:
            return answer.status_code == 401

    wait_until(refused, what="the token to be refused")


# ---- TLS ----


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1 that is its own authority; its key is beside it, in .key."""
    path = tmp_path / "server.crt"
    new_certificate(path)
    return path


def new_certificate(path: Path) -> None:
    """Make a certificate with a new key there."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=vxnet", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(path), "-keyout", str(path.with_suffix(".key"))),
        ],
        check=True,
        capture_output=True,
    )


def test_tls(new: Callable[..., ApiServer], certificate: Path) -> None:
    """With certificate and key it speaks HTTPS; a new pair is used after SIGHUP, half of one is not."""
    key = certificate.with_suffix(".key")
    server = new("--tls-cert", str(certificate), "--tls-key", str(key)).start()
    assert server.url.startswith("https://")
    assert status(server, verify=ssl.create_default_context(cafile=str(certificate))) == 401
    old = certificate.read_bytes()
    new_certificate(certificate)
    fresh = certificate.read_bytes()
    certificate.write_bytes(old)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the old certificate is used" in server.log(), what="the half pair to be refused")
    trusted = ssl.create_default_context(cadata=old.decode())
    assert status(server, verify=trusted) == 401
    certificate.write_bytes(fresh)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "was read anew" in server.log(), what="the certificate to be read")
    with pytest.raises(httpx.ConnectError):
        status(server, verify=trusted)
    assert status(server, verify=ssl.create_default_context(cadata=fresh.decode())) == 401


def test_a_key_that_is_no_use(new: Callable[..., ApiServer], certificate: Path, tmp_path: Path) -> None:
    """Another certificate's key, an encrypted one, no key at all: each is named, in one line."""
    other, encrypted, none = (tmp_path / name for name in ("other.key", "encrypted.key", "none.key"))
    new_certificate(other.with_suffix(".crt"))
    subprocess.run(
        ["openssl", "pkey", "-in", str(other), "-aes256", "-passout", "pass:x", "-out", str(encrypted)], check=True
    )
    none.write_text("no key")
    for key in (other, encrypted, none):
        server = new("--tls-cert", str(certificate), "--tls-key", str(key), name=key.stem)
        with pytest.raises(LabError):
            server.start()
        assert server.log().startswith("vxnet: error: ")
        assert str(key) in server.log()
        assert server.log().count("\n") == 1


# ---- its end ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_although_agents_listen(
    new: Callable[..., ApiServer], stack: ExitStack, number: signal.Signals
) -> None:
    """Their streams end in order, long before the time that requests under way have; the exit code is 0."""
    server = new().start()
    lines = stream(server, server.agent_token("h1"), stack)
    next(lines)
    assert server.stop(number) == 0
    assert all(json.loads(line)["type"] == "tick" for line in lines)
    assert "graceful" not in server.log()
    assert "Traceback" not in server.log()


def test_killed_and_started_again(new: Callable[..., ApiServer], stack: ExitStack) -> None:
    """What was there is there again, and the list of servers has it once."""
    server = new().start()
    server.add_user("ana", "green", "reader", "secret")
    token = server.agent_token("h1")
    for _ in range(2):
        server.kill()
        server.start()
    assert status(server, user=("ana", "secret")) == 403
    assert json.loads(next(stream(server, token, stack)))["type"] == "snapshot"
    assert [kept["url"] for kept in servers(server)] == [server.url]
    server.stop()
    assert servers(server) == []


def servers(server: ApiServer) -> list[dict[str, str]]:
    """Return the list of servers in the store."""
    code = (
        "import asyncio, sys, msgspec\n"
        "from vxnet.cluster.opened import opened\n"
        "async def main():\n"
        "    async with opened(sys.argv[1]) as cluster:\n"
        "        print(msgspec.json.encode(list(cluster.replica.servers)).decode())\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, server.store], check=True, capture_output=True, text=True)
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


# ---- etcd ----


def test_servers_over_etcd(new: Callable[..., ApiServer], tmp_path: Path) -> None:
    """One that starts before etcd waits for it and says so once; two share it; a user is let in by both."""
    etcd = Etcd(tmp_path / "etcd")
    with closing(etcd):
        etcd.kill(0)
        first, second = (new(name=name, store=etcd.url) for name in ("first", "second"))
        first.launch()
        wait_until(lambda: "waits for the store" in first.log(), timeout=30, what="it to wait")
        etcd.restart(0)
        wait_until(lambda: "listens on" in first.log(), timeout=30, what="it to listen")
        first.url = first.log().partition("listens on ")[2].partition(",")[0]
        second.start()
        first.add_user("ana", "green", "admin", "secret")
        assert [status(server, user=("ana", "secret")) for server in (first, second)] == [200, 200]
        assert sorted(kept["url"] for kept in servers(first)) == sorted([first.url, second.url])
        assert second.stop() == 0
        assert [kept["url"] for kept in servers(first)] == [first.url]
        assert first.stop() == 0


def test_it_ends_while_it_waits_for_the_store(new: Callable[..., ApiServer]) -> None:
    """SIGTERM ends it, in order, also before it serves."""
    server = new(store="etcd://127.0.0.1:1")
    server.launch()
    wait_until(lambda: "waits for the store" in server.log(), timeout=30, what="it to wait")
    assert server.stop() == 0
