# SPDX-License-Identifier: Apache-2.0
"""`--detach`: the daemon in the background; back when it has done what is in the database, as ovs-vswitchd does it.

The daemon says so as it would to systemd (`vxnet.daemon.notify`); until then its words go to stderr as well.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

from vxnet.daemon import rundir
from vxnet.daemon.logfile import open_log
from vxnet.errors import ControlError

_LOOK = 0.1
"""Seconds between looks at whether the daemon is still there."""


def start(remote: str, run_dir: Path) -> None:
    """Start the daemon and wait until it serves. ControlError with its last words if it ends instead."""
    run_dir = run_dir.resolve()  # the daemon's working directory is another one
    rundir.make(run_dir)
    address = f"vxnet-detach-{secrets.token_hex(8)}"
    words = [sys.executable, "-m", "vxnet.cli.main", "ovs-vswitchd", "--db", remote, "--run-dir", str(run_dir)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, open_log(run_dir) as output:
        channel.bind(f"\0{address}")
        channel.settimeout(_LOOK)
        begin = output.tell()
        daemon = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "NOTIFY_SOCKET": f"@{address}"},
            start_new_session=True,
        )
        try:
            while (state := _said(channel)) != "READY=1":
                if state.startswith("STATUS="):
                    sys.stderr.write(f"{state.removeprefix('STATUS=')}\n")
                if daemon.poll() is not None:
                    raise ControlError(_last_words(Path(output.name), begin))
        except KeyboardInterrupt:
            daemon.terminate()
            raise


def _said(channel: socket.socket) -> str:
    try:
        return channel.recv(4096).decode(errors="replace")
    except TimeoutError:
        return ""


def _last_words(log: Path, begin: int) -> str:
    lines = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
    return (lines[-1] if lines else "the daemon ended and said nothing").removeprefix("vxnet: error: ")
