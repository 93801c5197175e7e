# SPDX-License-Identifier: Apache-2.0
"""The steps of a plan while it is carried out: one line that changes, on a terminal; nothing anywhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vxnet.daemon.control import Step


@contextmanager
def steps() -> Iterator[Callable[[Step], None]]:
    """Yield what is to be called with each step."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  (only a person who looks pays for it)

    with Console(stderr=True).status("asking vxnetd") as status:
        yield lambda step: status.update(f"{step.action} {step.kind} {step.name}: {step.reason}")
