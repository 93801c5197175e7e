# SPDX-License-Identifier: Apache-2.0
"""docs/rfc7348.md names tests: each exists, and each row of the tables is whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rfc7348.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| ---")]


@pytest.mark.parametrize("named", NAMED)
def test_what_is_named_exists(named: str) -> None:
    """A claim points to a test that is there."""
    file, _, name = named.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert not name or name in tests


def test_every_must_is_shown() -> None:
    """No MUST is claimed without a test."""
    musts = [row for row in ROWS if "| MUST" in row]
    assert len(musts) >= 10
    assert [row for row in musts if "`tests/" not in row] == []
