# SPDX-License-Identifier: Apache-2.0
"""Faults around a daemon end in the right state by themselves and are said once: messages, machines, the underlay."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.support.running import GROUP, Pair, wait
from tests.support.stream import Stream
from vxnet.daemon.watch import Watch
from vxnet.lab.wait import wait_until
from vxnet.model import Port

if TYPE_CHECKING:
    import pytest

EVENTS = 60_000
"""Changes of a link: some tens of MB of messages, many times what a socket holds."""


def test_messages_of_netlink_are_lost(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """When the kernel had to drop some, everything counts as changed; that is said once, and the next one is heard."""

    async def flooded() -> None:
        watch = Watch()
        task = asyncio.create_task(watch.run())
        await watch.changed.wait()
        watch.take()
        batch = "".join(f"link set lo alias {number % 2}\n" for number in range(EVENTS))
        pair.a.run("ip -batch -", input=batch)  # nobody reads meanwhile
        async with asyncio.timeout(30):
            marks = False, False
            while marks != (True, True):
                await watch.changed.wait()
                marks = watch.take()
            with contextlib.suppress(TimeoutError):  # the rest of what did get through
                while True:
                    await asyncio.wait_for(watch.changed.wait(), 0.5)
                    watch.take()
            pair.a.ip("link set lo alias again")
            await watch.changed.wait()
        task.cancel()

    with pair.a.enter():  # where no daemon has to read all of it, too
        asyncio.run(flooded())
    assert [record.getMessage() for record in caplog.records] == [
        "netlink messages were lost; everything is compared anew"
    ]


def test_the_namespace_of_a_port_is_deleted(pair: Pair) -> None:
    """A machine's namespace takes the port's device along: the port waits, is said to once, and comes back with it."""
    machine = f"{pair.lab.name}.m"
    wanted = replace(pair.one, ports=(*pair.one.ports, Port(device="tap-m", segment="blue")))

    def plug_in() -> None:
        subprocess.run(("ip", "netns", "add", machine), check=True)
        pair.h1.node.ip(f"link add tap-m type veth peer name eth0 netns {machine}")
        pair.h1.node.ip("link set tap-m up")

    plug_in()
    try:
        pair.h1.up(wanted)
        with Stream(pair.a, pair.b) as stream:
            for times in (1, 2):
                subprocess.run(("ip", "netns", "delete", machine), check=True)
                # The kernel does so when it has the time: after all namespaces that went before.
                wait(lambda: "tap-m" not in pair.h1.node.ip("-br link"), "the device to go", timeout=60)
                said = "remove port tap-m: its device is gone\n"
                wait(lambda times=times, said=said: pair.h1.log().count(said) == times, "the daemon to notice")  # type: ignore[misc]
                plug_in()
                wait_until(lambda: pair.h1.changes(wanted) == (), timeout=10, what="the port to be attached again")
        assert stream.lost == set()
        assert pair.h1.log().count("device tap-m does not exist; it is attached as soon as it can be\n") == 2
    finally:
        subprocess.run(("ip", "netns", "delete", machine), check=False)


# ---- the underlay ----------------------------------------------------------------------------------------------------

ADDRESS = "192.168.146.131/24"
NO_ADDRESS = "vtep.local: no device has 192.168.146.131; this host has no address at all\n"
IS_DOWN = "vtep.local: 192.168.146.131 is on eth0, which is down; `ip link set eth0 up`\n"


def as_before(pair: Pair) -> None:
    """Wait until the first host is as it should be, and prove that it is."""
    wait(lambda: pair.h1.changes(pair.one) == (), "the daemon to repair it")
    for one, other in ((pair.a, pair.b), (pair.c, pair.d)):
        wait_until(lambda one=one, other=other: one.ping(other), timeout=10, what="the machines to reach each other")  # type: ignore[misc]


def something_happens(pair: Pair, times: int = 3) -> None:
    """Let the daemon look again and again, as it does for whatever changes on the host."""
    for number in range(times):
        pair.h1.node.ip(f"link set lo alias something-{number}")
        pair.h1.node.run("sleep 0.2")


def test_the_address_is_away_for_a_while(pair: Pair) -> None:
    """However often the daemon looks meanwhile, it says once that the address is gone; then all is as before."""
    pair.h1.node.ip(f"address delete {ADDRESS} dev eth0")
    wait(lambda: NO_ADDRESS in pair.h1.log(), "the daemon to notice")
    something_happens(pair)
    assert pair.h1.log() == NO_ADDRESS
    pair.h1.node.ip(f"address add {ADDRESS} dev eth0")
    as_before(pair)


def test_a_network_card_flaps(pair: Pair) -> None:
    """Down and up ten times, slowly and as fast as can be: then packets flow, and nothing was learned anew."""
    assert pair.a.ping(pair.b)
    learned = pair.h1.fdb().keys()
    with Stream(pair.a, pair.b) as stream:
        for pause in ("0.1", "0", "0", "0.3", "0", "0", "0", "0", "0.1", "0"):
            pair.h1.node.run("sh", "-c", f"ip link set eth0 down; sleep {pause}; ip link set eth0 up")
        as_before(pair)
        stream.flows()
    assert learned <= pair.h1.fdb().keys()
    assert set(pair.h1.log().splitlines(keepends=True)) <= {
        IS_DOWN,
        "add segment red: the route to group 239.1.1.1 is missing\n",
    }
    assert pair.h1.log().count(IS_DOWN) <= 10


def test_the_network_card_is_another_one_of_the_same_name(pair: Pair) -> None:
    """An underlay device that is deleted and made anew on both hosts: they move to it, groups and all, FDBs kept."""
    assert pair.a.ping(pair.b)
    learned = pair.h1.fdb().keys()
    pair.h1.node.ip("link delete eth0")
    wait(lambda: NO_ADDRESS in pair.h1.log(), "the daemon to notice")
    something_happens(pair)
    assert pair.h1.log().count(NO_ADDRESS) == 1
    pair.h1.node.ip(f"link add eth0 type veth peer name eth0 netns {pair.h2.node.namespace}")
    for host, address in ((pair.h1, ADDRESS), (pair.h2, "192.168.146.136/24")):
        host.node.ip(f"address add {address} dev eth0")
        host.node.ip("link set eth0 up")
    wait(lambda: pair.h2.changes(pair.two) == (), "the other daemon to follow")
    as_before(pair)
    assert learned <= pair.h1.fdb().keys()
    assert (pair.h1.groups(), pair.h2.groups()) == ({GROUP}, {GROUP})
    with Stream(pair.a, pair.b) as there, Stream(pair.b, pair.a) as back:
        there.flows()
        back.flows()
    assert (there.lost, back.lost) == (set(), set())
