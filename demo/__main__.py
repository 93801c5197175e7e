# SPDX-License-Identifier: Apache-2.0
"""Run the demo: all scenes, or those that are named. Exit code 0 if everything held, 1 if not, 130 after Ctrl-C."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from typing import TYPE_CHECKING

from demo.bed import BUILD, ROOT
from demo.narration import Narrator
from demo.scenes import SCENES
from demo.stage import unwind_on_signals
from vxnet.errors import HostError, VxnetError
from vxnet.lab.netns import require_root

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS = ("ip", "tc", "tcpdump", "editcap", "tshark")
"""Programs the demo needs, of Debian's iproute2, tcpdump and tshark."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(prog="demo", description="VXLAN, told and proved on this machine.")
    names = [scene.name for scene in SCENES]
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"{', '.join(names)}; all unless given")
    wanted = parser.parse_args(words).scenes
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"there is no scene {unknown[0]!r}; choose from {', '.join(names)}")
    try:
        _require_tools()
        return _tell(Narrator(), wanted or names)
    except VxnetError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; everything it made is gone", file=sys.stderr)
        return 130


def _tell(tell: Narrator, names: Sequence[str]) -> int:
    began = time.monotonic()
    tell.say("""
        Every host and every VM here is a network namespace of this machine: own devices, own addresses, own sockets.
        The packets are real. The hosts run the command vxnet as you would (only its --run-dir, another for each host,
        is left out below). tshark, which knows nothing of vxnet, reads what was captured on the cables between them.
    """)
    for scene in SCENES:
        if scene.name not in names:
            continue
        tell.heading(f"{scene.letter}  {scene.title}")
        try:
            scene.play(tell)
        except VxnetError as error:
            tell.check(f"scene {scene.letter} runs to its end", holds=False, found=error)
            for note in getattr(error, "__notes__", ()):
                tell.output(note)
    tell.heading("Result")
    files = [str(file.relative_to(ROOT)) for name in names for file in sorted(BUILD.glob(f"demo-{name}*.pcapng"))]
    tell.say("The captured packets are in these files. Open them in Wireshark, or: tshark -r FILE -V")
    tell.output("\n".join(files))
    tell.say(f"{tell.passed + len(tell.failed)} checks in {time.monotonic() - began:.0f} seconds.")
    tell.check("every step held", not tell.failed, "; ".join(tell.failed))
    return 1 if tell.failed else 0


def _require_tools() -> None:
    """Raise HostError if the demo cannot run here at all."""
    require_root()
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise HostError(f"{tool} is not installed; run `make setup`")


if __name__ == "__main__":
    unwind_on_signals()
    sys.exit(main())
