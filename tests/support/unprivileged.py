# SPDX-License-Identifier: Apache-2.0
"""A command of ours as an unprivileged user types it."""

from __future__ import annotations

import codecs
import importlib
import os
import tempfile
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, TYPE_CHECKING, NoReturn

import msgspec

from vxnet.cli import main as command_line

if TYPE_CHECKING:
    from collections.abc import Collection

NOBODY = 65534


class Ended(msgspec.Struct, frozen=True):
    """How the command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


def vxnet_as(groups: Collection[int], *words: str) -> Ended:
    """Run `vxnet` as nobody who is in these groups besides.

    A copy of this process becomes that user: nobody needs to be able to read the folder of the sources.
    """
    codecs.lookup("utf-8-sig")  # files are read in it: what else is imported later has to be readable
    importlib.import_module(command_line.COMMANDS[words[0]].partition(":")[0])
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        if not (child := os.fork()):
            _become(groups, words, stdout, stderr)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for file in (stdout, stderr):
            file.seek(0)
        return Ended(code, stdout.read(), stderr.read())


def _become(groups: Collection[int], words: tuple[str, ...], stdout: IO[str], stderr: IO[str]) -> NoReturn:
    code = 70
    try:
        os.setgroups(list(groups))
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.dup2(stdout.fileno(), 1)
        with redirect_stdout(stdout), redirect_stderr(stderr):
            try:
                command_line.main(words)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
                if isinstance(end.code, str):
                    stderr.write(f"{end.code}\n")
            except BaseException:
                traceback.print_exc()
                raise
    finally:
        stdout.flush()
        stderr.flush()
        os._exit(code)
