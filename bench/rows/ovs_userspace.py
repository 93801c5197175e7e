# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch with its userspace datapath: what is left of it where its kernel module is not to be had.

    a -- tap-a [br0] vx0 ~ (br-phy) [br-phy] eth0 -------- eth0 [br-phy] (br-phy) ~ vx0 [br0] tap-b -- b

Both bridges are in one ovs-vswitchd, one for each host, with a database and sockets of its own: an Open vSwitch that
runs on this machine is not touched. The userspace datapath finds the way to a remote by the addresses of its own
bridges, so the host's address moves from eth0 to br-phy.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from bench.bed import VNI
from bench.process import running as program
from vxnet.lab import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.bed import Bed
    from bench.process import Running
    from vxnet.lab import Node

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PATIENCE = 10.0
"""Seconds a daemon may take to open its socket."""


@contextlib.contextmanager
def running(bed: Bed) -> Iterator[None]:
    """Run Open vSwitch on both hosts."""
    with contextlib.ExitStack() as daemons:
        for host, vm, other in bed.sides:
            folder = bed.folder / host.name
            folder.mkdir()
            _start(daemons, host, folder)
            _configure(host, vm, other, folder)
            # TCP leaves a VM with its checksum to be filled in by the device; this datapath sends it on unfilled.
            vm.run("ethtool", "-K", "eth0", "tx", "off")
        yield


def _start(daemons: contextlib.ExitStack, host: Node, folder: Path) -> None:
    """Start ovsdb-server and ovs-vswitchd, which end with ``daemons``."""
    database = folder / "conf.db"
    host.run("ovsdb-tool", "create", str(database), SCHEMA)
    server = ("ovsdb-server", str(database), f"--remote=punix:{folder}/db.sock", f"--unixctl={folder}/db.ctl")
    started = daemons.enter_context(program(host, *server))
    _wait_for(folder / "db.sock", started)
    host.run("ovs-vsctl", f"--db=unix:{folder}/db.sock", "--no-wait", "init")
    # --disable-system keeps away from a kernel datapath, should there be one.
    switch = ("ovs-vswitchd", f"unix:{folder}/db.sock", f"--unixctl={folder}/switch.ctl", "--disable-system")
    started = daemons.enter_context(program(host, "env", f"OVS_RUNDIR={folder}", *switch))
    _wait_for(folder / "switch.ctl", started)


def _configure(host: Node, vm: Node, other: Node, folder: Path) -> None:
    """Make the two bridges, and move the host's address to br-phy."""
    # fmt: off
    host.run(
        "ovs-vsctl", f"--db=unix:{folder}/db.sock", "--timeout=20",
        "--", "add-br", "br-phy",
        "--", "set", "bridge", "br-phy", "datapath_type=netdev",
        "--", "add-port", "br-phy", "eth0",
        "--", "add-br", "br0",
        "--", "set", "bridge", "br0", "datapath_type=netdev",
        "--", "add-port", "br0", vm.device,
        "--", "add-port", "br0", "vx0",
        "--", "set", "interface", "vx0", "type=vxlan", f"options:remote_ip={other.address}",
        f"options:local_ip={host.address}", f"options:key={VNI}",
        env={**os.environ, "OVS_RUNDIR": str(folder)},
    )
    # fmt: on
    host.ip("address", "flush", "dev", "eth0")
    host.ip("link", "set", "br-phy", "up")
    host.ip("address", "add", f"{host.address}/24", "dev", "br-phy")


def _wait_for(socket: Path, daemon: Running) -> None:
    wait_until(lambda: daemon.check() and socket.exists(), timeout=PATIENCE, what=f"{socket.name} of Open vSwitch")
