# SPDX-License-Identifier: Apache-2.0
"""`python -m fuzz`: each target for a while. What was found, and how to have it again, is printed; see build/fuzz/."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import typer

from fuzz import api, codecs, control, hostfile, ovsdb, programs
from fuzz.guided import guided
from fuzz.rounds import rounds
from vxnet.errors import VxnetError

Target = Callable[[Iterator[int]], Counter[str]]
"""It runs one round for each number it is given, which is the seed of it."""

TARGETS: Mapping[str, Target] = {
    codecs.NAME: codecs.run,
    programs.NAME: programs.run,
    hostfile.NAME: hostfile.run,
    ovsdb.NAME: ovsdb.run,
    control.NAME: control.run,
    api.NAME: api.run,
}


def main(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar=f"[{'|'.join(TARGETS)}]...", show_default=False)
    ] = None,
    seconds: Annotated[int, typer.Option(min=0, help="How long each target is tried.")] = 60,
    seed: Annotated[int | None, typer.Option(min=0, help="The number of the first round.", show_default="time")] = None,
) -> None:
    """Try input that nobody has thought of on all that reads input. programs and control need root."""
    for unknown in sorted(set(targets or ()) - TARGETS.keys()):
        raise typer.BadParameter(f"there is no target {unknown}; there are: {', '.join(TARGETS)}")
    first = int(time.time()) if seed is None else seed
    fine = [tried(name, first, seconds) for name in TARGETS if not targets or name in targets]
    raise typer.Exit(0 if all(fine) else 1)


def tried(name: str, first: int, seconds: int) -> bool:
    """Try a target, print what became of it, and tell whether nothing was found."""
    began, last = time.monotonic(), first
    seen: Counter[str] = Counter()

    def numbered() -> Iterator[int]:
        nonlocal last
        # Of the codecs one round: the rest of the time atheris guides them.
        for number in rounds(first, 0 if name == codecs.NAME else seconds):
            last = number
            yield number

    try:
        seen = TARGETS[name](numbered())
        if name == codecs.NAME and seconds:
            seen += guided(first, seconds=seconds)
    except VxnetError as error:
        print(f"{name}: {error}")
        return False
    except Exception:  # noqa: BLE001  (whatever it is, it was found; the other targets go on)
        print(
            f"{name}: found in round {last}: python -m fuzz --seconds 0 --seed {last} {name}\n{traceback.format_exc()}"
        )
        return False
    took = time.monotonic() - began
    told = ", ".join(f"{count} {what}" for what, count in seen.most_common())
    print(f"{name}: rounds {first} to {last}, {took:.0f} s: {told}", flush=True)
    return True


if __name__ == "__main__":
    typer.run(main)
