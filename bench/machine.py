# SPDX-License-Identifier: Apache-2.0
"""What it was measured on and with: figures of two machines are not to be compared, ratios only with care."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import vxnet

TOOLS = ("iperf3", "sockperf", "trafgen", "ovs-vswitchd", "clang")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, its programs, and how busy it was with other things when the run began (load over one minute)."""

    date: str
    vxnet: str
    kernel: str
    architecture: str
    cpu: str
    cores: int
    load: float
    tools: dict[str, str]


def this() -> Machine:
    """This machine, now."""
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        vxnet=vxnet.__version__,
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu=cpu_model(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        cores=len(os.sched_getaffinity(0)),
        load=round(os.getloadavg()[0], 2),
        tools={tool: _version(tool) for tool in TOOLS},
    )


def cpu_model(cpuinfo: str) -> str:
    """The name of the first CPU in /proc/cpuinfo, or "" where that has no names."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def _version(tool: str) -> str:
    try:
        done = subprocess.run((tool, "--version"), capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return ""
    return version(done.stdout)


def version(said: str) -> str:
    """The first thing in what ``TOOL --version`` said that looks like a version, or ""."""
    found = re.search(r"\d+\.\d+[\w.]*", said)
    return found[0] if found else ""
