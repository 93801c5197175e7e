# SPDX-License-Identifier: Apache-2.0
"""`vxnet up HOST.toml`: start this host, or bring it to this file; done when it forwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from vxnet.cli.alone import alone
from vxnet.cli.options import RUN_DIR, HostFile, RunDir
from vxnet.cli.progress import steps
from vxnet.daemon.control import LOG, Quit, Up, ask, is_running
from vxnet.daemon.logfile import open_log
from vxnet.daemon.netns import netns
from vxnet.datapath.checks import check
from vxnet.datapath.kernel import is_root, require_root
from vxnet.errors import ControlError, HostError, VxnetError
from vxnet.sources import hostfile

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.model import HostState

_START = 30.0
"""Seconds vxnetd may take to answer: it loads the eBPF programs first."""


def up(
    host_file: HostFile,
    run_dir: RunDir = RUN_DIR,
) -> None:
    """Start this host, or bring it to this file. Returns when it forwards."""
    if not is_running(run_dir):  # who may talk to the daemon needs nothing else
        require_root()
    desired = hostfile.load(host_file)
    if is_root():
        try:
            check(desired, run_dir)
        except HostError as error:
            message = f"{host_file}: {error}"
            raise HostError(message) from error
    with alone(run_dir):
        _bring(desired, run_dir)


def _bring(desired: HostState, run_dir: Path) -> None:
    started = None if is_running(run_dir) else _start(run_dir)
    try:
        with steps() as progress:
            ask(run_dir, Up(desired, netns()), progress)
    except VxnetError:
        if started:
            ask(run_dir, Quit())
            started.wait()
        raise


def _start(run_dir: Path) -> subprocess.Popen[bytes]:
    """Start vxnetd in the background and wait until it answers. ControlError with its last words if it does not."""
    run_dir = run_dir.resolve()  # the daemon's working directory is another one
    log = run_dir / LOG
    with open_log(run_dir) as output:
        begin = output.tell()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "vxnet.cli.vxnetd", "--run-dir", str(run_dir)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + _START
    while not is_running(run_dir):
        if daemon.poll() is not None:
            if daemon.returncode < 0:
                ended = signal.Signals(-daemon.returncode).name
                message = f"vxnetd was ended by {ended} while it started; was there no memory? `dmesg` tells"
                raise ControlError(message)
            words = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
            message = (words[-1] if words else "vxnetd ended and said nothing").removeprefix("vxnetd: error: ")
            raise ControlError(message)
        if time.monotonic() > deadline:
            daemon.terminate()
            message = f"vxnetd did not start within {_START:.0f} s; see {log}"
            raise ControlError(message)
        time.sleep(0.01)
    return daemon
