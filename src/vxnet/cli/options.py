# SPDX-License-Identifier: Apache-2.0
"""Options and arguments that several commands share, so that they are spelt and explained the same everywhere.

They belong into a command function's signature:

    def show(run_dir: RunDir = RUN_DIR, as_json: Json = False) -> None: ...
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUN_DIR = Path("/run/vxnet")
"""Where a host keeps its control socket unless told otherwise; also what tells one vxnet from another on a machine."""

RunDir = Annotated[
    Path,
    typer.Option(
        "--run-dir",
        metavar="DIR",
        envvar="VXNET_RUN_DIR",
        readable=False,  # not asked here: the commands say what to do about it
        help="Which vxnet: each has its own run directory.",
    ),
]
"""``--run-dir DIR``, or the variable ``VXNET_RUN_DIR``."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
"""``--json``."""

HostFile = Annotated[Path, typer.Argument(metavar="HOST.toml", help="The file that says what this host is to be.")]
"""The host file of `up` and `plan`."""

OneSegment = Annotated[str | None, typer.Argument(metavar="SEGMENT", help="Only this segment; all unless given.")]
"""The segment that `show` and `fdb` limit themselves to."""
