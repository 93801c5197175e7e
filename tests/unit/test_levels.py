# SPDX-License-Identifier: Apache-2.0
"""tests/conftest.py: a test that needs root is never taken for a passed one.

Each test runs pytest itself over a copy of the conftest, with one test in each folder, and without root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
LEVELS = ("unit", "bpf", "host", "interop")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder of tests, one of each level, where the tests believe that they are not root."""
    shutil.copy(CONFTEST, tmp_path)
    for level in LEVELS:
        (tmp_path / level).mkdir()
        (tmp_path / level / f"test_{level}.py").write_text("def test():\n    pass\n")
    (tmp_path / "nobody.py").write_text("import os\n\nos.geteuid = lambda: 65534\n")
    (tmp_path / "pytest.toml").write_text(f"[pytest]\nstrict = true\nmarkers = {list(LEVELS)}\n")
    return tmp_path


def run(tree: Path, *arguments: str, **variables: str) -> str:
    """Run pytest in ``tree`` without root; return its closing line."""
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "VXNET_REQUIRE_ROOT"}}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "nobody", *arguments],
        cwd=tree,
        env=kept | {"PYTHONPATH": str(tree)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.splitlines()[-1].rpartition(" in ")[0]


def test_without_root_the_rest_is_skipped(tree: Path) -> None:
    """At home, tests that need root are skipped without it."""
    assert run(tree) == "1 passed, 3 skipped"


@pytest.mark.parametrize("variable", ["CI", "VXNET_REQUIRE_ROOT"])
def test_without_root_ci_fails(tree: Path, variable: str) -> None:
    """In CI, or where root is asked for, tests that need root fail without it."""
    assert run(tree, **{variable: "1"}) == "1 passed, 3 errors"


def test_levels_are_markers(tree: Path) -> None:
    """A folder's name chooses its tests."""
    assert run(tree, "-m", "unit") == "1 passed, 3 deselected"
