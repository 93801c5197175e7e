# SPDX-License-Identifier: Apache-2.0
"""A process that is killed in the middle of what it does to the kernel, and what a host holds, to be compared.

A copy of this process does the work, counts each call by which it changes something in the kernel (a map's element, a
program on a device, a netlink request, a value under /proc/sys), and before the n-th of them sends itself SIGKILL: the
kernel is then as it was after n - 1 of them. Nothing but the kernel outlives it.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import traceback
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from vxnet.datapath import attach, filters, routes, rtnetlink
from vxnet.datapath import devices as net
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, find
from vxnet.datapath.layout import FDB_STATIC
from vxnet.datapath.libbpf import clsact, rawmap, tcx
from vxnet.datapath.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.running import Host
    from vxnet.model import IPAddress

_WRITES = (
    *((rawmap, name) for name in ("update", "update_batch", "delete")),
    *((module, name) for module in (tcx, clsact) for name in ("attach", "detach")),
)


class Ended(NamedTuple):
    """Whether it was killed, and how many calls it had begun."""

    killed: bool
    calls: int


def run(host: Host, work: Callable[[], None], kill_before: int = 0) -> Ended:
    """Do ``work`` in the host, in a process of its own; kill that before its so manyth call (0: never)."""
    with mmap.mmap(-1, 8) as shared, host.node.enter():
        if not (child := os.fork()):
            _child(work, kill_before, shared)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in {0, -signal.SIGKILL}, "see stderr"
        return Ended(code != 0, int.from_bytes(shared[:8], sys.byteorder))


def _child(work: Callable[[], None], kill_before: int, shared: mmap.mmap) -> NoReturn:
    try:
        _Calls(kill_before, shared).count()
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001  (whatever it is, this process ends here)
        traceback.print_exc()
    finally:
        os._exit(1)


class _Calls:
    """The calls of this process that change the kernel, told to who started it. It lives no longer than its work."""

    def __init__(self, kill_before: int, shared: mmap.mmap) -> None:
        self._kill_before, self._shared, self._begun = kill_before, shared, 0
        self._netlink = rtnetlink.netlink

    def count(self) -> None:
        """Count from now on."""
        rtnetlink.talk = self._counted(rtnetlink.talk)  # by `request`: who only asks has imported it
        for module, name in _WRITES:
            setattr(module, name, self._counted(getattr(module, name)))
        for module in (filters, routes):
            module.netlink = self._counted_netlink  # type: ignore[attr-defined]
        net.set_sysctl = self._counted(net.set_sysctl)

    def _step(self) -> None:
        self._begun += 1
        self._shared[:8] = self._begun.to_bytes(8, sys.byteorder)
        if self._begun == self._kill_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._step()
            return function(*arguments, **options)

        return counted

    @contextmanager
    def _counted_netlink(self, what: str) -> Iterator[Any]:
        with self._netlink(what) as ip:
            yield SimpleNamespace(
                route=lambda command, **words: (
                    (self._step if command != "get" else bool)() or ip.route(command, **words)
                ),
                tc=self._counted(ip.tc),
                get_filters=ip.get_filters,
                get_qdiscs=ip.get_qdiscs,
                get_routes=ip.get_routes,
            )


def inventory(host: Host) -> dict[str, object]:
    """Return what the host holds, but for what passing packets have taught it or counted."""
    links = json.loads(host.node.ip("-j -d link"))
    return {
        "devices": sorted(
            (
                link["ifname"],
                link.get("ifalias", ""),
                link.get("master", ""),
                link.get("group", ""),
                "PROMISC" in link["flags"],
            )
            for link in links
        ),
        "programs": _programs(host),
        "clsacts": sorted(
            line.split()[4] for line in host.node.run("tc qdisc show").stdout.splitlines() if "clsact" in line
        ),
        "routes": set(host.routes()),
        "groups": _groups(host),
        "VNIs": host.vnis(),
        "map elements": _elements(host),
    }


def _groups(host: Host) -> frozenset[IPAddress]:
    with host.node.enter():
        return routes.joined_groups(net.devices().by_name["eth0"].index)


def _programs(host: Host) -> Counter[tuple[str, str]]:
    with host.node.enter():
        present = net.devices().by_index
        there = attach.programs_of_all(present)
        ours = {ACCESS, UNDERLAY, OVERLAY}
        return Counter(
            (present[found.ifindex].name, found.program.name) for found in there if found.program.name in ours
        )


def _elements(host: Host) -> dict[str, int]:
    with host.node.enter():
        maps = find(host.run_dir)
    if maps is None:
        return {}
    with maps:
        slots = Slots(maps)
        hashes = ("vteps", "overlays", "ports", "trunks", "arrivals", "flood", "sources", "senders", "neighbours")
        counts = {name: sum(1 for _ in getattr(maps, name).items()) for name in hashes}
        static = sum(1 for _, value in maps.fdb.items() if value.flags & FDB_STATIC)
        return {**counts, "static": static, "domains": len(slots.domains), "members": len(slots.members)}
