# SPDX-License-Identifier: Apache-2.0
"""How the demo looks: short sentences, drawings, commands, tables, and one line with a tick or a cross for each check.

On a terminal in colour and as wide as that; elsewhere plain text, WIDTH columns.
"""

from __future__ import annotations

import contextlib
import textwrap
import threading
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from vxnet.errors import LabError
from vxnet.lab import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

WIDTH = 112
"""Columns where there is no terminal, and at most for sentences on a wide one."""

PATIENCE = 20.0
"""Seconds a step may take before it is said not to hold. A busy machine is no reason to fail."""

SILENCE = 1.5
"""Seconds without a word after which the demo says what it is waiting for."""


class Narrator:
    """Tells, and counts what held (``passed``) and what did not (``failed``)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()
        self.passed = 0
        self.failed: list[str] = []
        self._tick, self._cross = ("✓", "✗") if "utf" in self.console.encoding.lower() else ("ok", "NO")

    def heading(self, text: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.rule(Text(text, "bold"), align="left")

    def say(self, text: str) -> None:
        """Tell something, in whole sentences; line breaks in ``text`` do not matter."""
        paragraph = " ".join(text.split())
        self.console.print()
        for line in textwrap.wrap(paragraph, min(self.console.width, WIDTH) - 1):
            self._line(line)

    def draw(self, drawing: str) -> None:
        """Show a drawing as it is."""
        self.console.print()
        for line in textwrap.dedent(drawing).strip("\n").splitlines():
            self._verbatim(line, "cyan")

    def command(self, where: str, command: str) -> None:
        """Show a command that is run in the machine ``where``."""
        self._verbatim(f"{where}# {command}", "bold")

    def output(self, text: str) -> None:
        """Show what a command printed."""
        for line in text.rstrip().splitlines() or ["(nothing)"]:
            self._verbatim(line.rstrip())

    def show(self, title: str, table: RenderableType) -> None:
        """Show a table below its title."""
        self.console.print()
        self._verbatim(title, "bold")
        self.console.print(Padding(table, (0, 0, 0, 4), expand=False))

    def check(self, expected: str, holds: object, found: object = None) -> None:
        """Say that ``expected`` holds, or that it does not and what was ``found`` instead."""
        if holds:
            self.passed += 1
            self._line(f"  {self._tick} {expected}", "green")
            return
        self.failed.append(expected)
        instead = "" if found is None else f"; found: {found}"
        self._line(f"  {self._cross} expected: {expected}{instead}", "bold red")

    def expect(self, expected: str, condition: Callable[[], object], found: Callable[[], object] | None = None) -> None:
        """Check a ``condition`` that will hold `soon`. If it does not, ``found`` is asked for what is there instead."""
        holds = self.soon(expected, condition)
        self.check(expected, holds, found() if found and not holds else None)

    def soon(self, what: str, condition: Callable[[], object]) -> bool:
        """Ask ``condition`` again and again until it holds; False if it does not within PATIENCE seconds."""
        with contextlib.suppress(LabError), self.waiting(what):
            return bool(wait_until(condition, timeout=PATIENCE, what=what))
        return False

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show during a ``with`` block that something goes on: at once on a terminal, elsewhere only if it is long."""
        if self.console.is_terminal:
            with self.console.status(what):
                yield
            return
        timer = threading.Timer(SILENCE, self._verbatim, (f"... {what}",))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style))

    def _verbatim(self, text: str, style: str = "") -> None:
        """A line that is not broken, however long."""
        self.console.print(Text(f"    {text}", style), soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)
