# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, the only way to wait in a lab."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from vxnet.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LONGEST_PAUSE = 0.1
"""Seconds between two looks, once a condition has been waited for a while; the first pauses are shorter."""


def wait_until(condition: Callable[[], T], *, timeout: float = 5.0, what: str = "") -> T:
    """Ask ``condition`` again and again until it answers with something true, and return that.

    Raises LabError, saying ``what`` was waited for, after ``timeout`` seconds; the condition is asked once more then.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        late = time.monotonic() >= deadline
        answer = condition()
        if answer:
            return answer
        if late:
            what = what or getattr(condition, "__qualname__", "the condition")
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 2, LONGEST_PAUSE)
