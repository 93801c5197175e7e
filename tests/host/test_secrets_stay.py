# SPDX-License-Identifier: Apache-2.0
"""Passwords and tokens stay where they belong: not in a log, an error, a process's words, an answer, a store, a backup.

The cluster of tests/support/clustered.py; people and agents come with right and wrong secrets, and then everything that
was written, said or can be looked at is searched for any of them, as they are and as HTTP Basic carries them.
"""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.clustered import USER, Cluster, cluster_in
from tests.support.running import CLI
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD, WRONG = "correct-horse-7Qd", "incorrect-mule-3Xk"
URL_PASSWORD = "in-a-url-9Vw"  # noqa: S105  (nobody's)
MISTYPED = f"vxnet-{'Z' * 43}"
TOKEN_FILES = "*.token"  # noqa: S105  (a pattern)


class Guarded:
    """A cluster, its folder, and every secret that has been used in it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        cluster.server.add_user("ana", "green", "member", PASSWORD)
        self.token = cluster.server.add_token("terraform", "green", "member")
        agents = [agent.token_file.read_text().strip() for agent in (cluster.h1, cluster.h2)]
        self.secrets = [USER[1], PASSWORD, WRONG, URL_PASSWORD, MISTYPED, self.token, *agents]

    def refuse_in(self, what: str, content: bytes | str) -> None:
        """No secret is in ``content``, in none of its forms."""
        data = content.encode() if isinstance(content, str) else content
        for secret in self.secrets:
            pairs = (base64.b64encode(f"{name}:{secret}".encode()) for name in ("ana", USER[0]))
            for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="), *pairs):
                assert form not in data, f"{what} has a secret"

    def ask(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """Ask the API with these headers."""
        with self.cluster.cp.enter(), httpx.Client(trust_env=False, timeout=30) as client:
            return client.post(f"{self.cluster.server.url}/{path}", headers=headers, json={"network": {"name": "x"}})


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic (RFC 7617)."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Build it, and let everybody come in, or be refused."""
    folder = tmp_path_factory.mktemp("secrets")
    with cluster_in(folder, agents=False) as cluster:
        guarded = Guarded(cluster, folder)
        right, wrong = cluster.h1.token_file.read_text(), f"{MISTYPED}\n"
        cluster.h1.token_file.write_text(wrong)
        cluster.h1.launch()
        wait_until(lambda: "401" in cluster.h1.log(), timeout=20, what="the agent to be refused")
        cluster.h1.kill()
        cluster.h1.token_file.write_text(right)
        for agent in (cluster.h1, cluster.h2):
            agent.start()
        yield guarded


def test_answers_to_those_who_are_let_in_and_who_are_not(guarded: Guarded) -> None:
    """No answer repeats what was shown, whether it was right, wrong, or in the wrong place."""
    token, mistyped = {"X-Auth-Token": guarded.token}, {"Authorization": f"Bearer {MISTYPED}"}
    broken = {"Authorization": basic("ana", PASSWORD)["Authorization"] + "!"}
    expected = [
        (basic("ana", PASSWORD), 201),
        (token, 201),
        (basic("ana", WRONG), 401),
        (basic("nobody", PASSWORD), 401),
        (mistyped, 401),
        ({"X-Auth-Token": PASSWORD}, 401),
        ({"Authorization": f"Digest {PASSWORD}"}, 401),
        (broken, 401),
    ]
    for headers, code in expected:
        answer = guarded.ask("v2.0/networks", headers)
        assert answer.status_code == code
        guarded.refuse_in("an answer", answer.text + str(answer.headers))
    for path in (f"v2.0/networks?token={guarded.token}", f"v2.0/nothing?password={PASSWORD}"):
        guarded.refuse_in("an answer", guarded.ask(path, {}).text)
    with guarded.cluster.cp.enter():
        document = httpx.get(f"{guarded.cluster.server.url}/openapi.json", headers=token, trust_env=False)
    assert document.is_success
    guarded.refuse_in("/openapi.json", document.text)
    assert "POST /v2.0/networks 401" in guarded.cluster.server.log()
    guarded.refuse_in("the server's log", guarded.cluster.server.log())


def test_files(guarded: Guarded) -> None:
    """Neither store, logs, nor anything else in the folder of server and agents has one, but the files with tokens."""
    files = [path for path in guarded.folder.rglob("*") if path.is_file() and not path.match(TOKEN_FILES)]
    names = {path.name for path in files}
    assert {"cluster.db", "cluster.db-wal", "server.log", "h1.log", "h2.log"} <= names
    for path in files:
        guarded.refuse_in(path.name, path.read_bytes())
        if path.name.startswith("cluster.db"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_processes(guarded: Guarded) -> None:
    """`ps` shows none: not of the server, nor of agents, neither among their words nor in their environment."""
    for pid in (guarded.cluster.server.process.pid, guarded.cluster.h1.pid, guarded.cluster.h2.pid):
        assert pid
        for what in ("cmdline", "environ"):
            guarded.refuse_in(what, Path(f"/proc/{pid}/{what}").read_bytes())


def test_a_backup(guarded: Guarded) -> None:
    """A backup is for its user's eyes, and what it keeps of passwords and tokens cannot be turned back."""
    file = guarded.folder / "backup.jsonl"
    guarded.cluster.server.cluster("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    guarded.refuse_in("a backup", text)
    values = [base64.b64decode(json.loads(line)[1]) for line in text.splitlines()[1:-1]]
    assert any(b"scrypt$" in value for value in values), "it does hold the accounts"
    for value in values:
        guarded.refuse_in("a value of a backup", value)


def test_lists(guarded: Guarded) -> None:
    """What lists users, tokens and ports shows none."""
    for words in (("user", "list"), ("token", "list")):
        guarded.refuse_in(" ".join(words), guarded.cluster.server.cluster(*words))
    guarded.refuse_in("port list", guarded.cluster.h1.vxnet("port", "list", "--json").stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("agent", "--server", f"http://ana:{URL_PASSWORD}@10.0.0.1:9696", "--host", "h1", "--local", "10.0.0.1"),
        ("server", "--store", f"etcd://root:{URL_PASSWORD}@10.0.0.1:2379"),
        ("cluster", "token", "list", "--store", f"etcd://root:{URL_PASSWORD}@10.0.0.1:2379"),
    ],
)
def test_a_password_in_a_url(guarded: Guarded, words: tuple[str, ...]) -> None:
    """A URL with a password is no URL of ours; the error, which a unit's log keeps, does not repeat it."""
    done = guarded.cluster.h2.node.run(*CLI, *words, check=False)
    assert done.returncode in {1, 2}
    assert "://...@10.0.0.1" in done.stderr
    guarded.refuse_in("an error", done.stdout + done.stderr)


def test_a_password_in_the_servers_file(guarded: Guarded, tmp_path: Path) -> None:
    """Nor in the file, where clients would be given it in every link."""
    file = tmp_path / "server.toml"
    file.write_text(f'public_url = "https://ana:{URL_PASSWORD}@network.example.org"\n')
    done = guarded.cluster.cp.run(*CLI, "server", "--config", str(file), check=False)
    assert done.returncode == 1
    assert "public_url" in done.stderr
    guarded.refuse_in("an error", done.stderr)
