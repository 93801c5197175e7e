# SPDX-License-Identifier: Apache-2.0
"""Restarts: of the database, of the switch, of both, by the book and by SIGKILL, while packets pass.

t0 --[ br0 ]-- v2 ~ [ br-phy ] eth0 --- h2
"""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import LOCAL, REMOTES, Ports, Sent, ports
from tests.support.switches import NATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COLUMNS = "--columns=name,ofport,error,mtu,admin_state"


@pytest.fixture(scope="module")
def host(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Build a bridge with a TAP, an internal port that has an address, and a tunnel."""
    with ports(tmp_path_factory.mktemp("restart") / "h1", kind, ("t0",)) as built:
        built.vsctl(
            "add-br br0 -- add-port br0 t0 -- add-port br0 i0 -- set interface i0 type=internal "
            f"-- add-port br0 v2 -- set interface v2 type=vxlan options:remote_ip={REMOTES['h2']} options:key=2"
        )
        built.host.ip("address", "add", "10.1.1.1/24", "dev", "i0")
        built.host.ip("link", "set", "i0", "up")
        built.vsctl("wait-until interface i0 admin_state=up")
        yield built


def pinged(host: Ports, deed: Callable[[], object]) -> tuple[int, int]:
    """Let h2 ping the host 100 times a second while something is done; return how many were sent, and lost."""
    ping = host.lab["h2"].popen("ping", "-n", "-i", "0.01", str(LOCAL), stdout=subprocess.PIPE)
    try:
        deed()
    finally:
        ping.send_signal(signal.SIGINT)
        said = ping.communicate()[0]
    counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert counted, said
    sent, received = int(counted[1]), int(counted[2])
    return sent, max(sent - received - 1, 0)  # the last one may have been on its way


def kept(host: Ports) -> str:
    """Return what has to be the same before and after."""
    return host.vsctl(COLUMNS, "list", "interface") + host.host.ip("-o", "-4", "address", "show", "i0")


def test_the_database_restarts(host: Ports) -> None:
    """While the database is away frames go on; when it is back the switch follows it again."""
    before = kept(host)
    host.warm(remotes=["h2"])
    forwards = NATURES[host.kind].forwards_alone

    def restart() -> None:
        host.switch.stop_database()
        if forwards:
            assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]
        host.switch.start_database()
        host.switch.settle()

    sent, lost = pinged(host, restart)
    assert sent > 0
    assert lost == 0 or not forwards
    host.lab.wait(lambda: kept(host) == before, what="the rows to be as before")
    host.vsctl("set interface v2 options:key=3")
    host.lab.wait(lambda: host.send(Sent("t0"))[0] == {"h2": "3 -"}, what="the change to be done")
    host.vsctl("set interface v2 options:key=2")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_switch_restarts(host: Ports, number: signal.Signals) -> None:
    """A switch that comes back finds everything in its place, and so do those who look at the rows."""
    before = kept(host)
    host.warm(remotes=["h2"])
    forwards = NATURES[host.kind].forwards_alone

    def restart() -> None:
        host.switch.stop_switch(number)
        if forwards:
            assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]
        host.switch.start_switch()

    sent, lost = pinged(host, restart)
    assert sent > 0
    assert lost == 0 or not forwards
    host.lab.wait(lambda: kept(host) == before, what="the rows to be as before")
    host.warm(remotes=["h2"])
    assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]


def test_both_restart(host: Ports) -> None:
    """After both were away the state is the database's again, with what was changed meanwhile."""
    before = kept(host)
    host.switch.stop()
    host.switch.start_database()
    host.vsctl("--no-wait set interface v2 options:key=4")
    host.switch.start_switch()
    host.lab.wait(lambda: kept(host) == before, what="the rows to be as before")
    host.warm(remotes=["h2"])
    assert host.send(Sent("t0"), expecting=1) == [{"h2": "4 -"}]
    host.vsctl("set interface v2 options:key=2")


def test_a_change_is_told_from_no_change(host: Ports) -> None:
    """Adding a port and a bridge beside loses no packet of the others."""

    def change() -> None:
        for n in range(5):
            host.vsctl(f"add-br b{n} -- add-port b{n} i{n}1 -- set interface i{n}1 type=internal")
            host.vsctl(f"del-br b{n}")

    sent, lost = pinged(host, change)
    assert (sent > 0, lost) == (True, 0)


def test_there_is_one_switch(host: Ports, tmp_path: Path) -> None:
    """Who holds the lock ovs_vswitchd keeps it: a second switch changes nothing, and says so."""
    host.warm(remotes=["h2"])
    words = host.switch.command(second=True)
    said = tmp_path / "second.log"
    with said.open("w") as log:
        second = host.host.popen(*words, stdout=log, stderr=log, env=host.switch.env)
    try:
        host.lab.wait(lambda: re.search("another|lock", said.read_text()), what="the second to say so", timeout=10.0)
    finally:
        second.kill()
        second.wait()
    host.switch.settle()
    assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]


def test_nobody_serves_the_database(host: Ports) -> None:
    """Without a switch `ovs-vsctl` waits, as its users know it, and the change is done when there is one."""
    host.switch.stop_switch()
    done = host.switch.run("ovs-vsctl", "--timeout=1", "add-br", "later", check=False)
    assert done.returncode != 0
    assert "Alarm clock" in done.stderr
    host.switch.start_switch()
    assert "65534" in host.vsctl("get interface later ofport")
    host.vsctl("del-br later")
