# SPDX-License-Identifier: Apache-2.0
"""The peer that is not Linux's code: Open vSwitch with its userspace datapath, and all its files in one directory.

    VM -- tap [ br-NAME ] vx-NAME ~ (br-phy) [ br-phy ] eth0 -- underlay          one br-NAME for each segment

The userspace datapath finds the way to a remote by the addresses of its own bridges, so the host's address moves from
eth0 to br-phy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    import subprocess
    from ipaddress import IPv4Address
    from pathlib import Path

    from vxnet.lab import Node

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PATIENCE = 10.0
"""Seconds a daemon may take to open its socket."""


class OpenVSwitch:
    """An Open vSwitch of the host's own, with the directory ``folder``; the lab ends it."""

    def __init__(self, host: Node, folder: Path) -> None:
        """Start both daemons and put eth0 into a bridge that has the host's address."""
        self.host, self._folder = host, folder
        folder.mkdir()
        database = str(folder / "conf.db")
        host.run("ovsdb-tool", "create", database, SCHEMA)
        self._start("db", "ovsdb-server", database, f"--remote=punix:{folder}/db.sock")
        self._waits("db.sock")
        self.vsctl("--no-wait", "init")
        # --disable-system keeps away from a kernel datapath, should there be one.
        self._start("switch", "ovs-vswitchd", f"unix:{folder}/db.sock", "--disable-system")
        self._waits("switch.ctl")
        self.bridge("br-phy", "eth0")
        host.ip("address", "flush", "dev", "eth0")
        host.ip("address", "add", f"{host.address}/24", "dev", "br-phy")
        host.ip("link", "set", "br-phy", "up")

    def segment(self, name: str, vm: Node, *, vni: int, remote: IPv4Address) -> None:
        """Join a VM to the segment ``vni``, which has one remote."""
        self.bridge(f"br-{name}", vm.device)
        tunnel = f"vx-{name}"
        options = ("type=vxlan", f"options:remote_ip={remote}", f"options:local_ip={self.host.address}")
        self.vsctl("add-port", f"br-{name}", tunnel, "--", "set", "interface", tunnel, *options, f"options:key={vni}")

    def bridge(self, name: str, port: str) -> None:
        """Make a bridge in the userspace datapath, with one port."""
        netdev = ("--", "set", "bridge", name, "datapath_type=netdev")
        self.vsctl("add-br", name, *netdev, "--", "add-port", name, port)

    def vsctl(self, *words: str) -> str:
        """Change what is in the database, and wait until the switch has done it."""
        return self.host.run("ovs-vsctl", f"--db=unix:{self._folder}/db.sock", "--timeout=20", *words).stdout

    def learned(self, name: str) -> dict[str, str]:
        """Return the port of each MAC, by name, that a segment's bridge has learned."""
        words = ("ovs-appctl", "-t", str(self._folder / "switch.ctl"), "fdb/show", f"br-{name}")
        rows = [line.split() for line in self.host.run(*words).stdout.splitlines()[1:]]
        ports = {self.vsctl("get", "interface", port, "ofport").strip(): port for port in self._ports(name)}
        return {mac: ports.get(port, port) for port, _, mac, _ in rows}

    def _ports(self, name: str) -> list[str]:
        return self.vsctl("list-ports", f"br-{name}").split()

    def _start(self, name: str, *words: str) -> None:
        folder = self._folder
        own = {**os.environ, "OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder), "OVS_DBDIR": str(folder)}
        with (folder / f"{name}.log").open("w") as log:
            self._daemon: subprocess.Popen[str] = self.host.popen(
                *words, f"--unixctl={folder}/{name}.ctl", stdout=log, stderr=log, env=own
            )
        self._log = folder / f"{name}.log"

    def _waits(self, socket: str) -> None:
        """Wait until the daemon that was started last has opened a socket."""

        def opened() -> bool:
            assert self._daemon.poll() is None, self._log.read_text()
            return (self._folder / socket).exists()

        wait_until(opened, timeout=PATIENCE, what=f"{socket} of Open vSwitch")
