# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster user|token|agent-token`: what they keep, print and refuse."""

from __future__ import annotations

import asyncio
import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from vxnet.cli.main import main
from vxnet.cluster import secrets
from vxnet.cluster.opened import opened
from vxnet.cluster.secrets import is_token, password_matches, token_digest
from vxnet.server.holding import held

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.cluster.replica import Replica


NO_HOST = "is no name of a host; it is of letters, digits, dots, dashes and underscores"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hash costs is in its text; what the commands do does not depend on it."""
    monkeypatch.setattr(secrets, "_N", 16)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store that all commands of a test mean."""
    url = f"sqlite://{tmp_path}/cluster.db"
    monkeypatch.setenv("VXNET_STORE", url)
    return url


@pytest.fixture
def password(tmp_path: Path) -> str:
    """Return a file with a password, and with a second line that is none."""
    path = tmp_path / "password"
    path.write_text("correct horse\nbattery\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def run(store: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `vxnet cluster ...`, which is to end well and say nothing on stderr; return what it prints."""
    assert store

    def cluster(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(["cluster", *arguments])
        output = capsys.readouterr()
        assert (caught.value.code, output.err) == (0, "")
        return output.out

    return cluster


def refused(*arguments: str) -> str:
    """Return the error of `vxnet cluster ...`."""
    with pytest.raises(SystemExit) as caught:
        main(["cluster", *arguments])
    text = str(caught.value.code)
    assert text.startswith("vxnet: error: ")
    assert "\n" not in text
    return text.removeprefix("vxnet: error: ")


def kept(store: str) -> Replica:
    """Return what is in the store."""

    async def look() -> Replica:
        async with opened(store) as cluster:
            return cluster.replica

    return asyncio.run(look())


def test_users(run: Callable[..., str], store: str, password: str) -> None:
    """A user is added with project, role and a hash of the first line, listed, and deleted."""
    assert run("user", "add", "ana", "--project", "green", "--role", "member", "--password-file", password) == ""
    user = kept(store).users.get("ana")
    assert user
    assert (user.project_id, user.role) == ("green", "member")
    assert password_matches("correct horse", user.password)
    assert run("user", "list") == "NAME  PROJECT  ROLE\nana   green    member\n"
    assert json.loads(run("user", "list", "--json")) == [{"name": "ana", "project": "green", "role": "member"}]
    assert run("user", "delete", "ana") == ""
    assert not kept(store).users.get("ana")


def test_another_password(run: Callable[..., str], store: str, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`set-password` changes the password and nothing else; `-` reads it from stdin."""
    run("user", "add", "ana", "--project", "green", "--role", "reader", "--password-file", password)
    monkeypatch.setattr("sys.stdin", io.StringIO("another\r\n"))
    run("user", "set-password", "ana", "--password-file", "-")
    user = kept(store).users.get("ana")
    assert user
    assert (user.project_id, user.role) == ("green", "reader")
    assert password_matches("another", user.password)


def test_tokens(run: Callable[..., str], store: str) -> None:
    """A token is printed once, kept as its digest, listed without it, and deleted by name."""
    text = run("token", "add", "robot", "--project", "green", "--role", "reader").strip()
    assert is_token(text)
    token = kept(store).tokens.get(token_digest(text))
    assert token
    assert (token.name, token.project_id, token.role, token.host) == ("robot", "green", "reader", "")
    assert text not in run("token", "list") + run("token", "list", "--json")
    run("token", "delete", "robot")
    assert json.loads(run("token", "list", "--json")) == []


def test_tokens_of_agents(run: Callable[..., str], store: str) -> None:
    """An agent may have several, each deleted by its id; --revoke deletes all of one host."""
    texts = [run("agent-token", host).strip() for host in ("h1", "h1", "h1", "h2")]
    tokens = kept(store).tokens
    assert [token.host for token in tokens.where("host", "h1")] == ["h1"] * 3
    listed = json.loads(run("token", "list", "--json"))
    assert {(row["role"], row["host"]) for row in listed} == {("agent", "h1"), ("agent", "h2")}
    run("token", "delete", token_digest(texts[0])[:12])
    assert {token.digest for token in kept(store).tokens} == {token_digest(text) for text in texts[1:]}
    run("agent-token", "h1", "--revoke")
    assert [token.digest for token in kept(store).tokens] == [token_digest(texts[3])]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("user", "add", "a:b"), "user: 'a:b' has ':' in it, which cannot be in such a name"),
        (("user", "add", ""), "user: a name has 1 to 255 characters; this one has 0"),
        (("user", "add", "x" * 256), "user: a name has 1 to 255 characters; this one has 256"),
        (("user", "add", "a\nb"), "user: 'a\\nb' has characters that nobody sees; leave them out"),
        (("user", "add", " a"), "user: ' a' has characters that nobody sees; leave them out"),
        (("user", "add", "bob", "--project", ""), "project: a name has 1 to 255 characters; this one has 0"),
        (("user", "add", "ana"), "user ana exists; vxnet cluster user set-password or delete"),
        (("user", "delete", "bob"), "user bob does not exist; vxnet cluster user list shows who does"),
        (("user", "set-password", "bob"), "user bob does not exist; vxnet cluster user list shows who does"),
        (("token", "add", "robot"), "token robot exists; give this one another name, or delete that one"),
        (("token", "delete", "bob"), "token bob does not exist; vxnet cluster token list shows names and ids"),
        (
            ("token", "delete", "agent h1"),
            "token agent h1 does not exist; vxnet cluster token list shows names and ids",
        ),
        (("agent-token", "a/b"), f"host: 'a/b' {NO_HOST}"),
        (("agent-token", ""), f"host: '' {NO_HOST}"),
        (("agent-token", "h1-"), f"host: 'h1-' {NO_HOST}"),
        (("agent-token", "h9", "--revoke"), "host h9 has no token; vxnet cluster token list shows which have"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be(run: Callable[..., str], password: str, arguments: tuple[str, ...], error: str) -> None:
    """A name that cannot be, that is taken, or that nobody has is an error that says so; nothing is changed."""
    grants = ("--project", "green", "--role", "member")
    run("user", "add", "ana", *grants, "--password-file", password)
    run("token", "add", "robot", *grants)
    run("agent-token", "h1")
    before = run("user", "list"), run("token", "list")
    if arguments[1] == "add" and "--project" not in arguments:
        arguments = (*arguments, *grants)
    elif arguments[1] == "add":
        arguments = (*arguments, "--role", "member")
    if arguments[0] == "user" and arguments[1] != "delete":
        arguments = (*arguments, "--password-file", password)
    assert refused(*arguments) == error
    assert (run("user", "list"), run("token", "list")) == before


@pytest.mark.parametrize("text", [b"", b"\n", b"a\tb\n", b"x" * 1025, b"\xff\n"])
def test_what_is_no_password(store: str, tmp_path: Path, text: bytes) -> None:
    """An empty line, control characters, too many of any, or no text: an error that names the file."""
    path = tmp_path / "password"
    path.write_bytes(text)
    path.chmod(0o600)
    grants = ("--project", "green", "--role", "member")
    error = refused("user", "add", "ana", *grants, "--password-file", str(path), "--store", store)
    assert error.startswith(f"{path}: ")


def test_a_password_file_that_is_not_there(store: str, tmp_path: Path) -> None:
    """It is named."""
    grants = ("--project", "green", "--role", "member", "--store", store)
    error = refused("user", "add", "ana", *grants, "--password-file", f"{tmp_path}/none")
    assert error == f"{tmp_path}/none: cannot be read: No such file or directory"


def test_a_password_that_everybody_can_read(store: str, password: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is taken, with a warning."""
    os.chmod(password, 0o644)  # noqa: PTH101  (a string, as on the command line)
    grants = ("--project", "green", "--role", "member", "--store", store)
    with pytest.raises(SystemExit) as caught:
        main(["cluster", "user", "add", "ana", *grants, "--password-file", password])
    assert caught.value.code == 0
    assert capsys.readouterr().err == f"vxnet: warning: {password}: everybody on this machine can read it; chmod 600\n"


@pytest.mark.parametrize("arguments", [("user", "list"), ("token", "list"), ("user", "delete", "ana")])
def test_a_store_that_is_not_there(store: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Who looks for something in a store that does not exist has mistyped it: none is made."""
    assert refused(*arguments, "--store", store).startswith(f"{tmp_path}/cluster.db: does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_no_kind() -> None:
    """The forms there are, are named."""
    assert "sqlite:///PATH" in refused("user", "list", "--store", "mysql://x")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_folders_owner(store: str, tmp_path: Path, run: Callable[..., str]) -> None:
    """Root may make the store before the server, which runs as another user, has: it can write it all the same."""
    os.chown(tmp_path, 4711, 4712)
    run("agent-token", "h1", "--store", store)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()} == {(4711, 4712)}


# ---- backup and restore ----


def test_backup_and_restore(run: Callable[..., str], store: str, tmp_path: Path) -> None:
    """What was backed up is there again, in another store or, by force, in place of what is in one."""
    run("agent-token", "h1")
    told = run("backup", f"{tmp_path}/backup")
    other = f"sqlite://{tmp_path}/other.db"
    assert run("restore", f"{tmp_path}/backup", "--store", other) == told
    assert list(kept(other).tokens) == list(kept(store).tokens)
    run("agent-token", "h2")
    assert "--force" in refused("restore", f"{tmp_path}/backup")
    run("restore", f"{tmp_path}/backup", "--force")
    assert [token.host for token in kept(store).tokens] == ["h1"]


def test_restore_beside_a_server(run: Callable[..., str], store: str, tmp_path: Path) -> None:
    """While a server has the file, nothing is restored into it; who has it is said."""
    run("agent-token", "h1")
    run("backup", f"{tmp_path}/backup")
    with held(tmp_path / "cluster.db", "the server at http://h"):
        error = refused("restore", f"{tmp_path}/backup", "--force", "--store", store)
    assert f"the server at http://h, process {os.getpid()}, has it; end that" in error
