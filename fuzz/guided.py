# SPDX-License-Identifier: Apache-2.0
"""The codecs under atheris: what reaches a branch that nothing reached before is kept, and mutated further.

fuzz/codecs.py, `python -m fuzz` --starts--> `python -m fuzz.guided SECONDS SEED`, a process of its own
                                                 |  build/fuzz/codecs.corpus/    what reached something new
                                                 '- build/fuzz/codecs/           what broke something

atheris (libFuzzer) ends its process when it is done, and instruments what is imported after it.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from fuzz import corpus
from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "codecs"

_EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)
_COVERED = re.compile(r" cov: (\d+) ")


class GuidedError(VxnetError):
    """A guided run cannot be."""


def guided(seed: int, *, seconds: int = 0, inputs: int = -1, grown: Path | None = None) -> Counter[str]:
    """Let atheris try inputs for ``seconds``, or a number of ``inputs``; return how many, and what they reached.

    ``grown`` is where what reaches something new is kept from run to run. AssertionError, with the traceback and the
    file, if an input broke something; GuidedError where there is no atheris.
    """
    from fuzz import packets  # noqa: PLC0415  (the guided process imports this file, and nothing yet that is instrumented)

    if importlib.util.find_spec("atheris") is None:
        raise GuidedError(
            "codecs: no atheris in this environment, which has wheels for x86-64 and CPython 3.11 to 3.14; run this "
            "target with one of them, or without guidance: pytest tests/unit/test_fuzz.py"
        )
    grown, broke = grown or corpus.FOUND / f"{NAME}.corpus", corpus.FOUND / NAME
    for folder in (grown, broke):
        folder.mkdir(parents=True, exist_ok=True)
    for number, packet in enumerate(packets.ALL):
        (grown / f"good-{number}").write_bytes(packet)
    options = (f"-seed={seed % (1 << 31) + 1}", f"-max_total_time={seconds}", f"-runs={inputs}", "-max_len=2048")
    folders = (str(folder) for folder in (grown, corpus.CORPUS / NAME) if folder.exists())
    command = (sys.executable, "-m", "fuzz.guided", *options, f"-artifact_prefix={broke}/", "-print_final_stats=1")
    done = subprocess.run(
        (*command, *folders), capture_output=True, text=True, check=False, errors="replace", cwd=corpus.HERE.parent
    )
    if done.returncode:
        raise AssertionError(done.stdout[-2000:] + done.stderr[-2000:])
    executed, covered = _EXECUTED.search(done.stderr), _COVERED.findall(done.stderr)
    return Counter(inputs=int(executed[1]) if executed else 0, branches=int(covered[-1]) if covered else 0)


def _main() -> None:
    import atheris  # noqa: PLC0415  (a guided process alone has it)

    with atheris.instrument_imports(include=["vxnet.packet", "vxnet.switch.answers", "vxnet.switch.security"]):
        from fuzz import codecs  # noqa: PLC0415  (what is imported here is instrumented)

    def one(data: bytes) -> None:
        codecs.examine(data)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    _main()
