# SPDX-License-Identifier: Apache-2.0
"""`vxnet`: the table of commands, and what holds for all of them.

exit 0     done; silent unless the command shows something
exit 1     an error, `vxnet: error: ...`, one line on stderr
exit 2     the command line itself is wrong
exit 130   Ctrl-C, silent
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from vxnet import __version__
from vxnet.errors import VxnetError

COMMANDS = {
    "up": "vxnet.cli.up:up",
    "down": "vxnet.cli.down:down",
    "plan": "vxnet.cli.plan:plan",
    "show": "vxnet.cli.show:show",
    "fdb": "vxnet.cli.fdb:fdb",
    "stats": "vxnet.cli.stats:stats",
    "ovs-vswitchd": "vxnet.cli.ovs_vswitchd:ovs_vswitchd",
    "agent": "vxnet.cli.agent:agent",
    "server": "vxnet.cli.server:server",
    "cluster": "vxnet.cli.cluster:app",
    "port": "vxnet.cli.port:app",
    "lab": "vxnet.cli.lab:app",
}
"""Where each is: ``module:function``, or ``module:app`` for one with commands of its own. Docstrings are the help."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line (the process's own unless given) and exit."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            build(given)(given, prog_name="vxnet")
        finally:
            print(end="", flush=True)
    except VxnetError as error:
        sys.exit(f"vxnet: error: {error}")
    except OSError as error:
        # Who reads us may have seen enough, as in `vxnet fdb | head -1`, or the disk is full.
        # What is still to be written goes nowhere, or the interpreter would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1 if isinstance(error, BrokenPipeError) else f"vxnet: error: {error}")


def build(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the application with the command that ``arguments`` name, or with all of them, for help and for typos.

    Importing all takes longer than most commands run; scripts call `vxnet show` often.
    """
    app = typer.Typer(
        help="VXLAN tenant networks between hosts. Acts on the network namespace it is started in.",
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help and errors: the same on a terminal and in a log, and quick
        pretty_exceptions_enable=False,  # a traceback is for us, and goes into a bug report as it is
    )
    app.callback()(_options)
    wanted = arguments[0] if arguments else ""
    for name, where in COMMANDS.items():
        if wanted in COMMANDS and name != wanted:
            continue
        module, _, attribute = where.partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vxnet {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command; each acts by its callback."""


if __name__ == "__main__":
    main()
