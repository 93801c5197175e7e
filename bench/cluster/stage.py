# SPDX-License-Identifier: Apache-2.0
"""What is measured on: a store of either kind, a server on it, and those who may ask.

Tokens are put into the store before the server starts, all in one transaction: 200 commands would take a minute.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.cluster.opened import opened
from vxnet.cluster.records import Token
from vxnet.cluster.secrets import new_token, token_digest
from vxnet.cluster.writing import Decision, transaction
from vxnet.lab.apiserver import ApiServer
from vxnet.lab.etcd import Etcd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vxnet.cluster.replica import Replica

STORES = ("sqlite", "etcd")

ADMIN = "bench"
"""The project of the token that everything is asked with. It may have as much as it likes."""

_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[str]:
    """Have an empty store of this kind, and yield its URL. HostError where etcd is not installed."""
    if kind == "etcd":
        with Etcd(folder / "etcd") as etcd:
            yield etcd.url
    else:
        yield f"sqlite://{folder}/cluster.db"


class Stage:
    """A server on a store, ``url``; ``token`` is an administrator's, ``hosts`` are those of agents by their host."""

    def __init__(self, server: ApiServer, token: str, hosts: dict[str, str]) -> None:
        self.server = server
        self.token = token
        self.hosts = hosts

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url

    def cpu(self) -> float:
        """Return how much the server has computed so far, in seconds."""
        return cpu(self.server.process.pid)


@contextmanager
def stage(store: str, folder: Path, hosts: Sequence[str] = ()) -> Iterator[Stage]:
    """Run a server on this machine's loopback."""
    token, *others = tokens(store, hosts)
    with ApiServer(folder, store, "--config", str(unlimited(folder))) as server:
        yield Stage(server, token, dict(zip(hosts, others, strict=True)))


def unlimited(folder: Path) -> Path:
    """Return a configuration file by which a project may have as much as it likes."""
    file = folder / "server.toml"
    file.write_text("[quotas]\nnetwork = -1\nsubnet = -1\nport = -1\n")
    return file


def tokens(store: str, hosts: Sequence[str]) -> list[str]:
    """Make an administrator's token and one for each host's agent, and return them in this order."""
    texts = [new_token() for _ in range(1 + len(hosts))]
    administrator = Token(digest=token_digest(texts[0]), name=ADMIN, project_id=ADMIN, role="admin")
    agents = [
        Token(digest=token_digest(text), name=f"agent {host}", host=host)
        for host, text in zip(hosts, texts[1:], strict=True)
    ]
    asyncio.run(_keep(store, [administrator, *agents]))
    return texts


async def _keep(store: str, records: list[Token]) -> None:
    async with opened(store, create=True) as cluster:
        most = cluster.store.most_writes
        for at in range(0, len(records), most):
            some = records[at : at + most]

            def decide(replica: Replica, some: list[Token] = some) -> Decision[None]:
                return Decision(transaction(replica, put=some), None)

            await cluster.write(decide)


def cpu(pid: int) -> float:
    """Return how much a process has computed so far, in seconds (proc_pid_stat(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def pss(pid: int) -> int:
    """Return the memory of a process in bytes: its own, and its part of what it shares (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
