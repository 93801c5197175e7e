# SPDX-License-Identifier: Apache-2.0
"""The fuzzer of the eBPF programs, for a fixed round; and that it finds a rule that is kept by one side alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz import corpus, programs
from vxnet.packet import ecn

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is found out of build/; return where it is."""
    monkeypatch.setattr(corpus, "FOUND", tmp_path / "fuzz")
    return tmp_path / "fuzz"


def test_programs_are_the_reference_switch() -> None:
    """Mutated packets, and those of the corpus: the same comes out, and every way out is taken."""
    seen = programs.run(range(1), 600)
    assert seen.total() >= 2 * 600
    for fate in ("forwarded", "flooded", "unwrapped", "through the VXLAN device", "left to the host", "from no port"):
        assert seen[fate], fate
    for reason in ("spoofed", "same-port", "unknown-vni", "truncated", "bad-header", "bad-checksum", "vlan-tag"):
        assert seen[f"dropped: {reason}"], reason


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch, found: Path) -> None:
    """A reference switch that sees no end in a tag differs on a packet of the corpus, which is written down."""
    monkeypatch.setattr(ecn, "ends_in_header", lambda frame: len(frame) < {8: 34, 0x86: 54}.get(frame[12], 0))
    with pytest.raises(AssertionError) as caught:
        programs.run([])
    (path,) = (found / "programs").iterdir()
    assert str(path) in caught.value.__notes__[0]
    assert path.read_bytes() == corpus.kept("programs")["under-inner-frame-ends-in-its-vlan-tag"]
