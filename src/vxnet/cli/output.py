# SPDX-License-Identifier: Apache-2.0
"""The two outputs of every command that shows something: lines for people, JSON for programs.

Lines carry their colours from the beginning; here they lose them unless a person looks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

import msgspec
import typer


def bold(text: str, colour: str | None = None) -> str:
    """Return text that stands out: ``colour`` is a name such as "red", or None for the terminal's own."""
    return typer.style(text, fg=colour, bold=True)


def coloured(text: str, colour: str) -> str:
    """Return text in a colour, "red" and the like."""
    return typer.style(text, fg=colour)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, in colours only on a terminal, and not there either when NO_COLOR is set (no-color.org)."""
    text = "".join(f"{line}\n" for line in lines)
    typer.echo(text, nl=False, color=False if os.environ.get("NO_COLOR") else None)


def print_json(value: object) -> None:
    """Print a value as indented JSON: structs as objects, addresses as strings."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=_json_form), indent=2))


def columns(rows: Sequence[Sequence[str | int]]) -> list[str]:
    """Return a table's lines: words to the left, numbers to the right, two spaces between; row 0 is the head."""
    right = [any(isinstance(row[at], int) for row in rows) for at in range(len(rows[0]))]
    widths = [max(len(str(row[at])) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            str(cell).rjust(width) if is_number else str(cell).ljust(width)
            for cell, width, is_number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _json_form(value: object) -> str:
    """Return JSON's form of what msgspec has none for."""
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    raise NotImplementedError(type(value))
