# SPDX-License-Identifier: Apache-2.0
"""Other builds of vxnet: a copy of the sources in which something is different, compiled."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.datapath.layout import MEANING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]

Edits = tuple[tuple[str, str, str], ...]
"""(file below src/vxnet/datapath, what stands there once, what is to stand there)."""

SMALLER_CACHE: Edits = (("bpf/structs.h", "#define FLOW_SLOTS 4096", "#define FLOW_SLOTS 2048"),)
"""Other programs, over maps of the same layout."""

OTHER_MEANING: Edits = (("layout.py", f"MEANING = {MEANING}\n", f"MEANING = {MEANING + 1}\n"),)
"""Maps of the same layout whose values are meant in another way."""


def _field(struct: str, cls: str, before: tuple[str, str], new: tuple[str, str]) -> Edits:
    """Return what puts a field into a structure, in C and in Python, before another one."""
    source = (ROOT / "src/vxnet/datapath/bpf/structs.h").read_text(encoding="utf-8")
    python = (ROOT / "src/vxnet/datapath/layout.py").read_text(encoding="utf-8")
    in_c = source[source.index(f"struct {struct} {{") :].partition("};")[0]
    in_python = python[python.index(f"class {cls}(") :].partition("\n\n\n")[0]
    return (
        ("bpf/structs.h", in_c, in_c.replace(before[0], f"{new[0]}\n\t{before[0]}", 1)),
        ("layout.py", in_python, in_python.replace(before[1], f"{new[1]}, {before[1]}", 1)),
    )


_COLOUR = ("__u32 colour, shade;", '("colour", c_uint32), ("shade", c_uint32)')

OTHER_LAYOUT: Edits = (
    *_field("state", "State", ("__u32 domains_high;", '("domains_high", c_uint32)'), _COLOUR),
    *_field("domain", "Domain", ("__u32 flood_version;", '("flood_version", c_uint32)'), _COLOUR),
    *_field("member", "Member", ("__u32 ifindex;", '("ifindex", c_uint32)'), _COLOUR),
    *_field("vtep", "VtepValue", ("__u32 overlay;", '("overlay", c_uint32)'), _COLOUR),
    *_field("fdb_entry", "FdbValue", ("__u64 last_seen;", '("last_seen", c_uint64)'), _COLOUR),
    *_field("traffic", "Traffic", ("__u64 rx_bytes;", '("rx_bytes", c_uint64)'), ("__u64 odd;", '("odd", c_uint64)')),
    ("bpf/structs.h", "#define NAME_LEN 64", "#define NAME_LEN 96"),
    ("layout.py", "NAME_LEN = 64", "NAME_LEN = 96"),
)
"""Maps of another layout: a key or a value of nearly all of them has another size, and its fields another place."""


def build(folder: Path, edits: Edits) -> Path:
    """Make a build in an empty folder; return its ``src``, for PYTHONPATH."""
    source = folder / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.o"))
    shutil.copy(ROOT / "hatch_build.py", folder)
    for name, old, new in edits:
        file = source / "vxnet/datapath" / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name}: {old}"
        file.write_text(text.replace(old, new), encoding="utf-8")
    subprocess.run((sys.executable, folder / "hatch_build.py"), check=True, timeout=120)
    return source


def builds(folder: Path, kinds: Mapping[str, Edits]) -> dict[str, Path]:
    """Make several."""
    return {name: build(folder / name, edits) for name, edits in kinds.items()}
