# SPDX-License-Identifier: Apache-2.0
"""A password: from a file, never from the command line, which everybody on the machine can read."""

from __future__ import annotations

import stat
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from vxnet.cluster.secrets import MOST_PASSWORD
from vxnet.errors import HostError

PasswordFile = Annotated[
    Path,
    typer.Option("--password-file", metavar="FILE", help="Its first line is the password; `-` reads standard input."),
]


def read(path: Path) -> str:
    """Return the first line of a file, or of stdin; on a terminal, what is typed there unseen."""
    if path == Path("-"):
        line = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline()
    else:
        line = _of_file(path)
    password = line.rstrip("\r\n")
    if not password or len(password) > MOST_PASSWORD or not password.isprintable():
        raise HostError(f"{path}: its first line is no password: 1 to {MOST_PASSWORD} characters that can be printed")
    return password


def _of_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
                print(f"vxnet: warning: {path}: everybody on this machine can read it; chmod 600", file=sys.stderr)
            return file.readline(MOST_PASSWORD + 3)
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HostError(f"{path}: is not UTF-8 text") from None
