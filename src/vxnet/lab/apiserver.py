# SPDX-License-Identifier: Apache-2.0
"""A `vxnet server` as a process, on this machine or on a host of a lab, and the commands that go with it.

FOLDER/NAME.log      http(s)://HOST:PORT; port 0 is any that is free, and kept when the server is started again
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Self

from vxnet.errors import LabError
from vxnet.lab.vswitch import vxnet
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from vxnet.lab.node import Node

PATIENCE = 30.0
"""Seconds a server may take to listen, or to end."""

_LISTENS = re.compile(r"^listens on (\S+), store ", re.MULTILINE)


class ApiServer:
    """One server of ``store``, a URL, with its log in ``folder``. `start` it, and `close` it at the end."""

    def __init__(
        self,
        folder: Path,
        store: str,
        *arguments: str,
        name: str = "server",
        listen: str = "127.0.0.1:0",
        node: Node | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing runs yet. ``arguments``: more of `vxnet server`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.store = store
        self.url = ""
        self._log = folder / f"{name}.log"
        self._listen = listen
        self._arguments = arguments
        self._node = node
        self._env = os.environ | (env or {})
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start it and wait until it listens. LabError, with the end of its log, if it ends instead."""
        began = len(self.log())
        self.launch()
        self.url = wait_until(lambda: self._listening(began), timeout=PATIENCE, what="vxnet server to listen")
        self._listen = self.url.partition("://")[2]
        return self

    def launch(self) -> None:
        """Start it and do not wait."""
        words = (*vxnet(), "server", "--listen", self._listen, "--store", self.store, *self._arguments)
        with self._log.open("a") as log:
            if self._node:
                self._process = self._node.popen(*words, stdout=log, stderr=log, env=self._env)
            else:
                self._process = subprocess.Popen(words, stdout=log, stderr=log, env=self._env, text=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal and return its exit code. LabError if it does not end."""
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise LabError(f"vxnet server did not end on {number.name}: {self.log()[-1000:]}") from None

    def kill(self) -> None:
        """End it as a power cut does."""
        self.stop(signal.SIGKILL)

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process that runs, or has ended."""
        if self._process is None:
            raise LabError("vxnet server was not started")
        return self._process

    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    # ---- the cluster's commands ----

    def cluster(self, *words: str, stdin: str = "") -> str:
        """Run `vxnet cluster ...` on its store, and return what that prints. LabError if it fails."""
        command = (*vxnet(), "cluster", *words, "--store", self.store)
        if self._node:  # where the store is
            done = self._node.run(*command, input=stdin, check=False)
        else:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"vxnet cluster {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def add_user(self, name: str, project: str, role: str, password: str) -> None:
        """Add a user."""
        self.cluster(
            "user", "add", name, "--project", project, "--role", role, "--password-file", "-", stdin=f"{password}\n"
        )

    def add_token(self, name: str, project: str, role: str) -> str:
        """Add a token of a project and return it."""
        return self.cluster("token", "add", name, "--project", project, "--role", role)

    def agent_token(self, host: str) -> str:
        """Add a token of a host's agent and return it."""
        return self.cluster("agent-token", host)

    def as_user(self, name: str, password: str) -> dict[str, str]:
        """Return the environment that makes `openstack` ask here, as this user."""
        others = {variable: value for variable, value in os.environ.items() if not variable.startswith("OS_")}
        login = {"OS_AUTH_TYPE": "http_basic", "OS_USERNAME": name, "OS_PASSWORD": password}
        return {**others, **login, "OS_ENDPOINT": self.url}

    def _listening(self, began: int) -> str:
        code = self.process.poll()
        if code is not None:
            raise LabError(f"vxnet server ended with {code}: {self.log()[began:].strip()[-1000:]}")
        found = _LISTENS.search(self.log(), began)
        return found[1] if found else ""

    # ---- its end ----

    def close(self) -> None:
        """End it if it runs."""
        if self._process and self._process.poll() is None:
            self.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
