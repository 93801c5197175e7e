# SPDX-License-Identifier: Apache-2.0
"""`vxnet ovs-vswitchd` as a daemon: how it starts, waits and ends, and what it keeps fresh in the database.

t0 --[ br0 ]-- v2 ~ [ br-phy ] eth0 --- h2
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import REMOTES, Ports, Sent, ports
from tests.support.running import CLI
from vxnet.lab.vswitch import VXNET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TUNNEL = f"add-port br0 v2 -- set interface v2 type=vxlan options:remote_ip={REMOTES['h2']} options:key=2"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Ports]:
    """A host with a bridge, a TAP and a tunnel."""
    with ports(tmp_path / "h1", VXNET, ("t0",)) as built:
        built.vsctl(f"add-br br0 -- add-port br0 t0 -- {TUNNEL}")
        yield built


def vxnet(host: Ports, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of vxnet there, on the run directory of its switch."""
    run_dir = str(host.switch.folder / "switch")
    return host.switch.run(*CLI, *words, "--run-dir", run_dir, check=False)


def test_detach(host: Ports) -> None:
    """--detach comes back when all is done; SIGTERM ends the daemon, and takes nothing away."""
    host.switch.stop_switch()
    host.vsctl("--no-wait add-port br0 i0 -- set interface i0 type=internal")
    done = vxnet(host, "ovs-vswitchd", "--detach", "--db", f"unix:{host.switch.folder}/db.sock")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert host.vsctl("get interface i0 ofport").strip() == "3"
    pidfile = host.switch.folder / "switch" / "ovs-vswitchd.pid"
    os.kill(int(pidfile.read_text()), signal.SIGTERM)
    host.lab.wait(lambda: not pidfile.exists(), what="the daemon to end")
    host.warm(remotes=["h2"])
    assert host.send(Sent("t0"), expecting=2) == [{"h2": "2 -"}]
    host.switch.start_switch()


def test_detach_waits_for_another_switch(host: Ports) -> None:
    """Beside a switch that holds the lock --detach says so, and waits."""
    words = (*CLI, "ovs-vswitchd", "--detach", "--db", f"unix:{host.switch.folder}/db.sock")
    second = host.switch.folder / "second"
    waiting = host.host.popen(*words, "--run-dir", str(second), stderr=subprocess.PIPE, env=host.switch.env)
    assert waiting.stderr
    assert waiting.stderr.readline().startswith("another ovs-vswitchd process is running, disabling this process (pid ")
    pid = int((second / "ovs-vswitchd.pid").read_text())
    waiting.kill()
    os.kill(pid, signal.SIGTERM)


def test_one_daemon_on_a_run_directory(host: Ports) -> None:
    """A second one on the same run directory is refused in one line."""
    done = vxnet(host, "ovs-vswitchd", "--db", f"unix:{host.switch.folder}/db.sock")
    words = f"another vxnetd has the run directory {host.switch.folder}/switch"
    assert (done.returncode, done.stderr) == (1, f"vxnet: error: {words}\n")


def test_down(host: Ports) -> None:
    """`vxnet down` refuses while the daemon runs, and takes all away after it."""
    run_dir, pid = host.switch.folder / "switch", host.switch.pid()
    refused = vxnet(host, "down")
    words = f"vxnet ovs-vswitchd (pid {pid}) has the run directory {run_dir}; end it first"
    assert (refused.returncode, refused.stderr) == (1, f"vxnet: error: {words}\n")
    assert "daemon" not in vxnet(host, "show").stdout
    host.switch.stop_switch()
    assert "daemon: not running" in vxnet(host, "show").stdout
    assert vxnet(host, "down").returncode == 0
    devices = host.host.run("ip", "-br", "link").stdout.split()
    assert "t0" in devices
    assert "br0" not in devices
    assert not run_dir.exists()
    host.switch.start_switch()
    assert "br0" in host.host.run("ip", "-br", "link").stdout


def test_statistics_are_kept_fresh(host: Ports) -> None:
    """Within some seconds the database counts what a TAP and a tunnel have passed."""
    host.warm(remotes=["h2"])
    host.send(Sent("t0"), Sent("t0"), expecting=2)
    host.vsctl("wait-until interface v2 statistics:tx_packets>=2")
    assert int(host.vsctl("get interface t0 statistics:rx_packets")) >= 2


def test_status_follows_the_device(host: Ports) -> None:
    """A device that goes down, or changes its MTU, is seen in its row; br0's MTU follows the least of its ports."""
    host.host.ip("link", "set", "t0", "mtu", "1400")
    host.vsctl("wait-until interface t0 mtu=1400 -- wait-until interface br0 mtu=1400")
    host.host.ip("link", "set", "t0", "down")
    host.vsctl("wait-until interface t0 admin_state=down")


def test_the_way_to_the_remote(host: Ports) -> None:
    """status:tunnel_egress_iface follows the routing table."""
    host.vsctl("wait-until interface v2 status:tunnel_egress_iface=br-phy")
    host.host.ip("route", "add", "blackhole", f"{REMOTES['h2']}/32")
    host.lab.wait(lambda: host.vsctl("get interface v2 status").strip() == "{}", what="the way to be gone")


def test_what_is_not_done_is_said_once(host: Ports) -> None:
    """Controllers, mirrors, QoS and the like: a line each in the log, and the bridge forwards without them."""
    host.vsctl("set-controller br0 tcp:127.0.0.1:6633 -- set-fail-mode br0 secure")
    host.vsctl("-- --id=@m create mirror name=m -- set bridge br0 mirrors=@m stp_enable=true")
    host.vsctl("set port t0 qos=@q -- --id=@q create qos type=linux-htb")
    host.vsctl("set interface t0 bfd:enable=true")
    said = host.switch.log().splitlines()
    for words in (
        "bridge br0: vxnet does not do OpenFlow controllers",
        "bridge br0: fail_mode=secure is taken as standalone: vxnet has no OpenFlow, and learns",
        "bridge br0: vxnet does not do mirrors",
        "bridge br0: vxnet does not do STP",
        "port t0: vxnet does not do QoS",
        "interface t0: vxnet does not do BFD",
    ):
        assert said.count(words) == 1
    host.warm(remotes=["h2"])
    assert host.send(Sent("t0"), expecting=2) == [{"h2": "2 -"}]


def test_without_a_database(host: Ports) -> None:
    """A server that is not there is waited for, and said once."""
    words = (*CLI, "ovs-vswitchd", "--db", f"unix:{host.switch.folder}/nowhere.sock", "--run-dir")
    waiting = host.host.popen(*words, str(host.switch.folder / "other"), stderr=subprocess.PIPE, env=host.switch.env)
    assert waiting.stderr
    assert waiting.stderr.readline() == (
        f"cannot reach unix:{host.switch.folder}/nowhere.sock; trying again until it is there\n"
    )
    waiting.terminate()
    assert waiting.wait(timeout=20) == 0
