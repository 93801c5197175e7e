# SPDX-License-Identifier: Apache-2.0
"""scripts/setup, where it stops before it does anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SETUP = Path(__file__).parents[2] / "scripts" / "setup"


def test_a_venv_of_another_tree(tmp_path: Path) -> None:
    """A .venv that is a symbolic link is refused, with the cure, and what it leads to stays as it is."""
    tree, other = tmp_path / "tree", tmp_path / "other"
    (tree / "scripts").mkdir(parents=True)
    other.mkdir()
    shutil.copy(SETUP, tree / "scripts")
    (tree / ".venv").symlink_to(other)
    done = subprocess.run([tree / "scripts" / "setup"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"vxnet set-up: {tree}/.venv is a symbolic link, and each tree has a .venv of its own; remove it: rm .venv\n"
    )
    assert not list(other.iterdir())
