# SPDX-License-Identifier: Apache-2.0
"""Something that is done again and again in the background while a test does something else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def repeated(work: Callable[[], object], pause: float = 0.01) -> Iterator[None]:
    """Do ``work`` as long as the ``with`` block lasts, ``pause`` seconds before each time; the last is awaited."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(pause):
            work()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
