# SPDX-License-Identifier: Apache-2.0
"""The fuzzers of what is Python alone, for a few fixed rounds; and that they find what is there to be found."""

from __future__ import annotations

import importlib.util
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from fuzz import __main__ as command
from fuzz import codecs, corpus, hostfile, ovsdb, packets
from fuzz.guided import GuidedError, guided
from fuzz.mutation import mutated
from fuzz.rounds import rounds
from vxnet.packet import ecn
from vxnet.packet.udp import Udp
from vxnet.sources import hostfile as source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is found out of build/; return where it is."""
    monkeypatch.setattr(corpus, "FOUND", tmp_path / "fuzz")
    return tmp_path / "fuzz"


# ---- the targets -----------------------------------------------------------------------------------------------------


def test_codecs() -> None:
    """Bytes are a value that encodes to what it was read from, or malformed."""
    seen = codecs.run(range(3))
    assert seen["inputs"] >= 3 * codecs.PACKETS
    assert all(seen[codec.__name__] for codec in codecs.CODECS)


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="no atheris for this Python or processor")
def test_codecs_guided_by_coverage(tmp_path: Path) -> None:
    """The same under atheris."""
    seen = guided(1, inputs=3000, grown=tmp_path / "grown")
    assert seen["inputs"] >= 3000
    assert seen["branches"] > 150


def test_host_files() -> None:
    """A file is a state that is written and read back, or refused in one line that names the place."""
    seen = hostfile.run(range(2), 150)
    assert seen["taken"] > 20
    assert seen["refused"] > 100


def test_rows_of_open_vswitch() -> None:
    """Any rows are a state that the maps have room for, and an error for each interface that cannot be."""
    seen = ovsdb.run(range(1), 150)
    assert min(seen["bridges"], seen["tunnels"], seen["ports"], seen["errors"]) > 5


# ---- they find things ------------------------------------------------------------------------------------------------


def test_a_codec_that_loses_something_is_found(monkeypatch: pytest.MonkeyPatch, found: Path) -> None:
    """The input is written down, and named."""
    honest = Udp.encode
    monkeypatch.setattr(Udp, "encode", lambda self: honest(self)[:-1] if len(self.payload) == 9 else honest(self))
    with pytest.raises((AssertionError, ValueError)) as caught:
        codecs.run(range(10))
    (path,) = (found / "codecs").iterdir()
    assert str(path) in caught.value.__notes__[0]
    with pytest.raises((AssertionError, ValueError)):
        codecs.examine(path.read_bytes())


def test_an_ecn_field_that_breaks_a_checksum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes frames out of tunnels is held to their checksums."""
    monkeypatch.setattr(ecn, "internet_checksum", lambda _: 0)
    with pytest.raises(AssertionError):
        codecs.run(range(3))


def test_an_error_in_two_lines_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the host file is a line that can be printed."""
    monkeypatch.setattr("vxnet.sources.tomlfile.quoted", str)
    with pytest.raises(AssertionError):
        hostfile.run(range(5), 200)


def test_a_file_that_does_not_read_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dump writes is what was loaded."""
    honest = source.dump
    monkeypatch.setattr(source, "dump", lambda state: honest(state).replace("learning = false\n", ""))
    with pytest.raises(AssertionError):
        hostfile.run(range(2), 100)


# ---- the parts -------------------------------------------------------------------------------------------------------


def test_a_seed_says_all() -> None:
    """The same seed mutates in the same way; most mutations change something."""
    packet = packets.ALL[0]
    one = [mutated(Random(n), packet, packets.ALL) for n in range(200)]
    assert one == [mutated(Random(n), packet, packets.ALL) for n in range(200)]
    assert sum(changed != packet for changed in one) > 180


def test_rounds() -> None:
    """There is one at least, and no more when the time is over."""
    assert list(rounds(7, 0)) == [7]


def test_the_corpus_is_named() -> None:
    """Each file says what it shows, and belongs to a target."""
    assert {folder.name for folder in corpus.CORPUS.iterdir()} <= command.TARGETS.keys()
    for target in command.TARGETS:
        assert all("-" in name for name in corpus.kept(target))


def test_without_atheris(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cure is told."""
    monkeypatch.setattr("fuzz.guided.importlib.util.find_spec", lambda _: None)
    with pytest.raises(GuidedError, match=r"\Acodecs: no atheris .* run this target with one of them"):
        guided(1)


# ---- python -m fuzz --------------------------------------------------------------------------------------------------


def invoked(*arguments: str) -> tuple[int, str]:
    """Return the exit code and what is printed."""
    application = typer.Typer()
    application.command()(command.main)
    done = CliRunner().invoke(application, arguments)
    return done.exit_code, done.output


def test_a_run_tells_what_became_of_it() -> None:
    """Its rounds can be had again."""
    code, told = invoked("--seconds", "0", "--seed", "5", "hostfile")
    assert code == 0
    assert told.startswith("hostfile: rounds 5 to 5, ")
    assert " refused" in told


def test_a_finding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round is named, and the other targets are tried."""

    def broken(numbers: Iterator[int]) -> Counter[str]:
        raise AssertionError(next(numbers))

    monkeypatch.setattr(command, "TARGETS", {"one": broken, "two": lambda numbers: Counter(inputs=len(list(numbers)))})
    code, told = invoked("--seconds", "0", "--seed", "5")
    assert code == 1
    assert told.startswith("one: found in round 5: python -m fuzz --seconds 0 --seed 5 one\nTraceback")
    assert told.splitlines()[-1] == "two: rounds 5 to 5, 0 s: 1 inputs"


def test_an_unknown_target_is_refused() -> None:
    """Those that there are are named."""
    code, told = invoked("nothing")
    assert code == 2
    assert "there is no target nothing" in told
