# SPDX-License-Identifier: Apache-2.0
"""Inputs that are kept, as files: in fuzz/corpus/TARGET/ what was found once, in build/fuzz/TARGET/ what is found now.

A file of the corpus is named for what it shows. A found one is named by its content; who has understood it gives it a
name and moves it into the corpus.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
FOUND = HERE.parent / "build" / "fuzz"


def kept(target: str) -> dict[str, bytes]:
    """Return the inputs of a target's corpus by their names, in order; there may be none."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*"))}


def found(target: str, data: bytes) -> Path:
    """Write down an input that broke something, and return where."""
    folder = FOUND / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path
