# SPDX-License-Identifier: Apache-2.0
"""What `ovs-vsctl` speaks to, in a host of a lab: a database, and a switch that brings the host to what is in it.

    ovs-vsctl --> FOLDER/db.sock [ ovsdb-server, stock schema, FOLDER/conf.db ] <-- the switch: one of KINDS

    ovs     the real ovs-vswitchd with its userspace datapath        vxnet    vxnet ovs-vswitchd

All files are in FOLDER and nothing is a system service, so every host has its own. The commands a person types go
through `run` and `script`, which set the environment that makes `ovs-vsctl` find its way without an option.

The userspace datapath has to be asked for bridge by bridge, and where the kernel has no module of Open vSwitch there is
no other. For the kind "ovs" an `ovs-vsctl` of our own therefore comes first on PATH: it is the real one, called with
the same words, and with ``-- set bridge NAME datapath_type=netdev`` after each ``add-br NAME``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import HostError, LabError
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from vxnet.lab.node import Node

OVS, VXNET = "ovs", "vxnet"
KINDS = (OVS, VXNET)

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PATIENCE = 20.0
"""Seconds a daemon may take to open its socket, or to do what is in the database."""

NEXT_CFG = [
    "Open_vSwitch",
    {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
    {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
]
"""The transaction by which `ovs-vsctl` asks the switch to say when it is done (ovs-vswitchd.conf.db(5), next_cfg)."""

WRAPPER = """#!/bin/bash
words=() command=()
close() {
    local name= word rest=("${command[@]}")
    while [[ ${#rest[@]} -gt 0 && ${rest[0]} == -* ]]; do rest=("${rest[@]:1}"); done
    words+=("${command[@]}")
    if [[ ${#rest[@]} -eq 2 && ${rest[0]} == add-br ]]; then
        words+=(-- set bridge "${rest[1]}" datapath_type=netdev)
    fi
    command=()
}
for word; do
    if [[ $word == -- ]]; then close; words+=(--); else command+=("$word"); fi
done
close
exec REAL "${words[@]}"
"""


class VSwitch:
    """Database and switch of one ``kind`` on ``host``, with all their files in ``folder``; the lab ends them."""

    def __init__(self, host: Node, folder: Path, kind: str = OVS) -> None:
        """Make an empty database; nothing runs yet. Raises HostError where Open vSwitch is not installed."""
        self.host = host
        self.folder = folder
        self.kind = kind
        self._running: dict[str, subprocess.Popen[str]] = {}
        folder.mkdir(parents=True)
        self._socket = f"unix:{folder}/db.sock"
        own = dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), str(folder))
        self.env = {**os.environ, **own}
        if kind == OVS:
            self.env["PATH"] = f"{_wrapped(folder / 'bin')}:{os.environ['PATH']}"
        host.run("ovsdb-tool", "create", f"{folder}/conf.db", str(SCHEMA))

    def start(self) -> None:
        """Start both daemons. Raises LabError, with the end of the log, if one of them does not come up."""
        self.start_database()
        self.start_switch()

    def stop(self) -> None:
        """End both; what the switch leaves behind in the kernel stays."""
        self.stop_switch()
        self.stop_database()

    def start_database(self) -> None:
        """Start `ovsdb-server` and wait until it serves."""
        server = ("ovsdb-server", f"{self.folder}/conf.db", f"--remote=punix:{self.folder}/db.sock")
        self._start("ovsdb-server", *server, f"--unixctl={self.folder}/ovsdb-server.ctl")
        self._wait("ovsdb-server", (self.folder / "db.sock").exists, "the database's socket")
        self.vsctl("--no-wait", "init")

    def stop_database(self) -> None:
        """End `ovsdb-server`; conf.db stays."""
        self._stop("ovsdb-server")

    def start_switch(self) -> None:
        """Start the switch and wait until it has done what is in the database."""
        self._start("switch", *self.command())
        self.settle()

    def stop_switch(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the switch by a signal."""
        self._stop("switch", number)

    def settle(self) -> None:
        """Wait until the switch has done all that is in the database. Raises LabError if it does not."""
        done = self.host.run("ovsdb-client", "transact", self._socket, json.dumps(NEXT_CFG), env=self.env)
        wanted = json.loads(done.stdout)[1]["rows"][0]["next_cfg"]
        self._wait("switch", lambda: int(self.vsctl("get Open_vSwitch . cur_cfg")) >= wanted, f"cur_cfg {wanted}")

    def command(self, *, second: bool = False) -> tuple[str, ...]:
        """What starts the switch, as one would type it; or a ``second`` one beside it, with files of its own."""
        name = "second" if second else "switch"
        if self.kind == OVS:
            # --disable-system keeps away from a kernel datapath, should there be one.
            return ("ovs-vswitchd", self._socket, f"--unixctl={self.folder}/{name}.ctl", "--disable-system")
        return (*vxnet(), "ovs-vswitchd", "--db", self._socket, "--run-dir", f"{self.folder}/{name}")

    def vsctl(self, *words: str) -> str:
        """The output of `ovs-vsctl`, given as words or as one line. Raises LabError if it fails, or waits in vain."""
        return self.run("ovs-vsctl", f"--timeout={PATIENCE:g}", *_words(words)).stdout

    def try_vsctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same, but whatever its exit code is."""
        return self.run("ovs-vsctl", f"--timeout={PATIENCE:g}", *_words(words), check=False)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, with the environment of this switch; see `Node.run`."""
        return self.host.run(*words, check=check, env=self.env)

    def script(self, text: str) -> str:
        """Run lines of shell there, until the first that fails; return what they print. Raises LabError then."""
        return self.host.run("bash", "-euxc", text, env=self.env).stdout

    def log(self, name: str = "switch") -> str:
        """What a daemon has written so far: "switch" or "ovsdb-server"."""
        file = self.folder / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def pid(self, name: str = "switch") -> int:
        """The process of a daemon that runs."""
        return self._running[name].pid

    def _start(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("a") as log:
            self._running[name] = self.host.popen(*words, stdout=log, stderr=log, env=self.env)

    def _stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        process = self._running.pop(name)
        process.send_signal(number)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise LabError(f"{self.host.name}: {name} did not end on {number.name}") from None

    def _wait(self, name: str, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition while the daemon lives."""

        def holds() -> bool:
            code = self._running[name].poll()
            if code is not None:
                raise LabError(f"{self.host.name}: {name} ended with {code}: {self.log(name).strip()[-1000:]}")
            return bool(condition())

        wait_until(holds, timeout=PATIENCE, what=f"{self.host.name}: {what}")


def vxnet() -> tuple[str, ...]:
    """The command `vxnet` that belongs to this Python: the script beside it, or the module where there is none."""
    beside = Path(sys.executable).with_name("vxnet")
    return (str(beside),) if beside.exists() else (sys.executable, "-m", "vxnet.cli.main")


def _words(words: tuple[str, ...]) -> list[str]:
    return shlex.split(words[0]) if len(words) == 1 else list(words)


def _wrapped(folder: Path) -> Path:
    """Make ``folder`` with an `ovs-vsctl` that asks for the userspace datapath."""
    real = shutil.which("ovs-vsctl")
    if real is None:
        raise HostError("ovs-vsctl is not installed; run `make setup`")
    folder.mkdir()
    script = folder / "ovs-vsctl"
    script.write_text(WRAPPER.replace("REAL", shlex.quote(real)))
    script.chmod(0o755)
    return folder
