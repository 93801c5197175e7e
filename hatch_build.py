# SPDX-License-Identifier: Apache-2.0
"""Compiles the eBPF programs, when a wheel is built, when vxnet is installed editable, and for `make`.

    src/vxnet/datapath/bpf/vxnet.bpf.c  --clang-->  vxnet.bpf.o  -->  the wheel

The object is bytecode for the kernel's own machine, not for the CPU, so one wheel (``py3-none-any``) serves every
little-endian machine. Run as a script, this file compiles and does nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCE = Path("src/vxnet/datapath/bpf/vxnet.bpf.c")
TARGET = SOURCE.with_suffix(".o")

# v3 is the instruction set of Linux 5.1 and later, with 32-bit jumps; -g is there for BTF, which libbpf needs for maps.
FLAGS = ("-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-Werror")


class BpfError(Exception):
    """The eBPF programs cannot be compiled here; the message is one line, or clang's own."""


class BpfBuildHook(BuildHookInterface[Any]):
    """Hatchling's hook, called before the files of a wheel or of an editable install are gathered."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's signature)
        """Compile the object that ``artifacts`` in pyproject.toml then finds; end the build if that fails."""
        try:
            compile_bpf()
        except BpfError as error:
            self.app.abort(f"vxnet: {error}")


def compile_bpf() -> None:
    """Write ``vxnet.bpf.o`` beside its source; raise BpfError if clang, a header or the source is not in order."""
    clang = shutil.which("clang")
    if clang is None:
        raise BpfError("clang is needed to compile the eBPF programs and is not on PATH: apt-get install clang")
    # Debian keeps <asm/types.h> under the machine's triplet, where clang does not look when its target is bpf.
    include = f"/usr/include/{multiarch(clang)}"
    # Relative names and a mapped prefix keep this machine's folders out of the object: the same source, the same bytes.
    command = [clang, *FLAGS, f"-ffile-prefix-map={ROOT}=.", "-idirafter", include, "-c", str(SOURCE), "-o"]
    scratch = TARGET.with_suffix(".o.new")
    try:
        result = subprocess.run([*command, str(scratch)], cwd=ROOT, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BpfError(f"clang could not compile {SOURCE}\n{result.stderr.rstrip()}{cure(result.stderr)}")
        (ROOT / scratch).replace(ROOT / TARGET)  # whoever loads the object meanwhile sees the old one or the new one
    finally:
        (ROOT / scratch).unlink(missing_ok=True)


def multiarch(clang: str) -> str:
    """Return Debian's name of this machine's folder of headers, such as ``x86_64-linux-gnu``."""
    triplet = subprocess.run([clang, "-print-target-triple"], capture_output=True, text=True, check=True).stdout
    machine, *_ = triplet.strip().split("-")
    return f"{machine}-linux-gnu"


def cure(stderr: str) -> str:
    """Return a line naming the Debian package of a header that clang did not find, or nothing."""
    if "'bpf/" in stderr and "file not found" in stderr:
        return "\nlibbpf's headers are missing: apt-get install libbpf-dev"
    if "'asm/" in stderr and "file not found" in stderr:
        return "\nthe kernel's headers for user space are missing: apt-get install linux-libc-dev"
    return ""


if __name__ == "__main__":
    try:
        compile_bpf()
    except BpfError as error:
        sys.exit(f"vxnet: {error}")
