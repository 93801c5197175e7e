# SPDX-License-Identifier: Apache-2.0
"""What changes around us: links, addresses, filters, routes and neighbours, as netlink tells it (of tcx it does not).

Two things follow from them. Links, addresses, and filters that were taken off: what is there may have changed, and the
kernel is compared with the desired state again. Routes and neighbours: the way to a remote may have changed, and cached
flows are looked up again. Events come in bursts, so they are only marked here; the daemon looks at the marks.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import rtnl

log = logging.getLogger("vxnetd")

_GROUPS = (
    *(rtnl.RTMGRP_LINK, rtnl.RTMGRP_NEIGH, rtnl.RTMGRP_TC),
    *(rtnl.RTMGRP_IPV4_IFADDR, rtnl.RTMGRP_IPV4_ROUTE, rtnl.RTMGRP_IPV6_IFADDR, rtnl.RTMGRP_IPV6_ROUTE),
)

_LINKS = frozenset({"RTM_NEWLINK", "RTM_DELLINK", "RTM_NEWADDR", "RTM_DELADDR"})
_FILTERS = frozenset({"RTM_DELTFILTER", "RTM_DELQDISC"})
_ROUTES = frozenset({"RTM_NEWROUTE", "RTM_DELROUTE"})
_NEIGHBOURS = frozenset({"RTM_NEWNEIGH", "RTM_DELNEIGH"})


class Watch:
    """Marks of what has changed. ``changed`` is set when there is something to look at."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._links = False
        self._ways = False
        self._neighbours: dict[tuple[int, str], str | None] = {}

    def take(self) -> tuple[bool, bool]:
        """Return (what is there may have changed, ways to remotes may have changed), and clear the marks."""
        marks = self._links, self._ways
        self._links = self._ways = False
        self.changed.clear()
        return marks

    async def run(self) -> None:
        """Watch until cancelled. When the kernel has to drop messages (ENOBUFS), everything counts as changed."""
        while True:
            try:
                async with AsyncIPRoute() as ip:
                    await ip.bind(groups=sum(_GROUPS))
                    self._mark(links=True, ways=True)
                    while True:
                        # One call gives what has arrived together; the next one waits for more.
                        async for message in ip.get():
                            self._look(message)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                log.warning("netlink messages were lost; everything is compared anew")

    def _look(self, message: Any) -> None:  # noqa: ANN401  (pyroute2 has no types)
        event = message.get("event")  # pyroute2 has no name for some of them
        if event in _LINKS | _FILTERS:
            self._mark(links=True)
        elif event in _ROUTES:
            self._mark(ways=True)
        elif event in _NEIGHBOURS and message.get("dst"):
            # Most messages only say that a neighbour was confirmed: the way to it is the same.
            key, address = (message["ifindex"], message.get("dst")), message.get("lladdr")
            address = None if event == "RTM_DELNEIGH" else address
            if self._neighbours.get(key) != address:
                self._mark(ways=True)
            if address:
                self._neighbours[key] = address
            else:
                self._neighbours.pop(key, None)

    def _mark(self, *, links: bool = False, ways: bool = False) -> None:
        self._links |= links
        self._ways |= ways
        self.changed.set()
