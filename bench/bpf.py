# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own eBPF programs: compiled when it runs, loaded and attached by vxnet's libbpf module."""

from __future__ import annotations

import platform
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.datapath import attach as vxnet
from vxnet.datapath.libbpf import loading, objects
from vxnet.errors import HostError

if TYPE_CHECKING:
    from vxnet.lab import Node

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"


@cache
def compiled(name: str) -> Path:
    """``NAME.bpf.c``, compiled into build/. Raises HostError, with what clang says in the notes, if that fails."""
    BUILD.mkdir(exist_ok=True)
    target = BUILD / f"bench-{name}.bpf.o"
    # Debian keeps <asm/types.h> under the machine's triplet, where clang does not look when its target is bpf.
    include = f"/usr/include/{platform.machine()}-linux-gnu"
    flags = ("-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-Werror", "-idirafter", include)
    try:
        done = subprocess.run(
            ("clang", *flags, "-c", str(HERE / f"{name}.bpf.c"), "-o", str(target)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        raise HostError("clang is not installed; run `make setup`") from None
    if done.returncode != 0:
        error = HostError(f"clang could not compile {name}.bpf.c: {done.stderr.partition(chr(10))[0]}")
        error.add_note(done.stderr)
        raise error
    return target


def load(name: str) -> loading.Loaded:
    """The programs and maps of ``NAME.bpf.c``, new in the kernel; see `loading.close`."""
    return loading.load(str(compiled(name)), {}, {}, {})


def attach(node: Node, device: str, loaded: loading.Loaded, program: str) -> None:
    """Put a program at the ingress of a device in ``node``, the way vxnet does it."""
    with node.enter():
        vxnet.attach(socket.if_nametoindex(device), loaded.programs[program], _instance(loaded))


def detach(node: Node, device: str, loaded: loading.Loaded) -> None:
    """Take it away again."""
    with node.enter():
        vxnet.detach(socket.if_nametoindex(device), _instance(loaded))


def _instance(loaded: loading.Loaded) -> int:
    """What tells these programs from others: the one map that all of them use."""
    (fd,) = loaded.maps.values()
    return int(objects.map_info(fd).id)


def index_of(node: Node, device: str) -> int:
    """The number of a device in ``node``."""
    with node.enter():
        return socket.if_nametoindex(device)
