# SPDX-License-Identifier: Apache-2.0
"""What every demo of one story has around it: root, a heading, the end, and its exit code."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from demo.narration import Narrator
from vxnet.errors import VxnetError
from vxnet.lab.netns import require_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def perform(title: str, story: Callable[[Narrator], None]) -> int:
    """Let ``story`` tell, and return the exit code: 0 if everything held, 1 if not, 130 after Ctrl-C."""
    tell = Narrator()
    try:
        require_root()
        tell.heading(title)
        story(tell)
    except VxnetError as error:
        tell.check("the demo runs to its end", holds=False, found=error)
        for note in getattr(error, "__notes__", ()):
            tell.output(note)
    except KeyboardInterrupt:
        print("demo: interrupted; everything it made is gone", file=sys.stderr)
        return 130
    tell.heading("Result")
    tell.check("every step held", not tell.failed, "; ".join(tell.failed))
    return 1 if tell.failed else 0


def unwind_on_signals() -> None:
    """Let SIGTERM and SIGHUP unwind everything, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)


def _terminated(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
