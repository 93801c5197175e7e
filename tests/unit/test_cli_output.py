# SPDX-License-Identifier: Apache-2.0
"""The two outputs: colours only where a person sees them, JSON that every value of ours can be."""

from __future__ import annotations

import contextlib
import io
import json
from ipaddress import IPv4Address

import pytest

from vxnet.cli.output import bold, coloured, columns, print_json, print_lines
from vxnet.model import Segment


class Terminal(io.StringIO):
    """Output that a person looks at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def on_a_terminal(text: str) -> str:
    """What a terminal gets when this is printed."""
    with contextlib.redirect_stdout(Terminal()) as terminal:
        print_lines([text])
    return terminal.getvalue()


def test_no_colour_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a terminal gets plain text."""
    print_lines([bold("blue", "yellow"), coloured("gone", "red")])
    assert capsys.readouterr().out == "blue\ngone\n"


def test_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets red."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert on_a_terminal(coloured("gone", "red")) == "\x1b[31mgone\x1b[0m\n"


@pytest.mark.parametrize(("value", "expected"), [("1", "gone\n"), ("", "\x1b[31mgone\x1b[0m\n")])
def test_no_color_variable(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    """NO_COLOR, if not empty, turns colours off (no-color.org)."""
    monkeypatch.setenv("NO_COLOR", value)
    assert on_a_terminal(coloured("gone", "red")) == expected


def test_no_lines_are_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to print is no output at all, not an empty line."""
    print_lines([])
    assert capsys.readouterr().out == ""


def test_json_of_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Structs become objects with every field, addresses strings."""
    print_json([Segment(name="blue", vni=5001, remotes=(IPv4Address("192.0.2.2"),))])
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["remotes"], row["group"], row["ageing"]) == (["192.0.2.2"], None, 300)


def test_json_of_something_else_is_a_defect() -> None:
    """What has no JSON form is not silently turned into text."""
    with pytest.raises(NotImplementedError):
        print_json(object())


def test_columns() -> None:
    """Words stand to the left, numbers to the right, and no line ends with spaces."""
    assert columns([("A", "COUNT", "B"), ("blue", 5, "x"), ("c", 100000, "long")]) == [
        "A      COUNT  B",
        "blue       5  x",
        "c     100000  long",
    ]
