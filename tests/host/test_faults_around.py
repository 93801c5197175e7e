# SPDX-License-Identifier: Apache-2.0
"""Faults around a daemon end in the right state by themselves and are said once: lost messages, lost machines."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.support.running import Pair, wait
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
