# SPDX-License-Identifier: Apache-2.0
"""`vxnet ovs-vswitchd`: take the place of Open vSwitch's daemon; docs/ovs.md."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Annotated

import typer

from vxnet.cli.options import RUN_DIR, RunDir
from vxnet.daemon import privileges, rundir
from vxnet.daemon.ovs import detach as background
from vxnet.daemon.ovs.service import Service
from vxnet.datapath.kernel import require_root

DB = "unix:/var/run/openvswitch/db.sock"
"""Where ovsdb-server listens on most systems."""


def ovs_vswitchd(
    db: Annotated[str, typer.Option("--db", metavar="unix:PATH", help="The database: ovsdb-server's socket.")] = DB,
    run_dir: RunDir = RUN_DIR,
    detach: Annotated[bool, typer.Option("--detach", help="Go to the background once all is done.")] = False,
) -> None:
    """Serve an Open vSwitch database in the place of ovs-vswitchd: ovs-vsctl works as ever."""
    require_root()
    if not db.startswith("unix:"):
        raise typer.BadParameter(f"{db} is not of the form unix:PATH", param_hint="--db")
    if detach:
        background.start(db, run_dir)
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    rundir.make(run_dir)
    # The database's socket may be another user's.
    privileges.keep(privileges.NETWORK | {privileges.Capability.DAC_OVERRIDE})
    service = Service(db, run_dir)
    asyncio.run(service.run())
