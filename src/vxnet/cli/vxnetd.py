# SPDX-License-Identifier: Apache-2.0
"""`vxnetd [HOST.toml]`: the daemon. With a file, the host is brought to it; without, what is there is adopted."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from vxnet.cli.options import RUN_DIR, RunDir
from vxnet.daemon import privileges, rundir
from vxnet.daemon.echo import Echo
from vxnet.daemon.server import Server
from vxnet.datapath.kernel import require_root
from vxnet.errors import VxnetError
from vxnet.sources import hostfile


def vxnetd(
    host_file: Annotated[Path | None, typer.Argument(metavar="[HOST.toml]", help="The host file.")] = None,
    run_dir: RunDir = RUN_DIR,
) -> None:
    """Keep this network namespace as the host file says. The kernel forwards without this daemon."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        require_root()
        desired = hostfile.load(host_file) if host_file else None
        rundir.make(run_dir)
        echo = Echo.open()  # while it may
        privileges.keep(privileges.NETWORK)
        # Made outside the loop: adopting what is there asks netlink, which must not be inside one.
        server = Server(run_dir, echo)
        asyncio.run(server.run(desired))
    except VxnetError as error:
        logging.getLogger("vxnetd").critical("vxnetd: error: %s", error)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)  # a traceback in a log is plain
    app.command()(vxnetd)
    app()


if __name__ == "__main__":
    main()
