# SPDX-License-Identifier: Apache-2.0
"""What the programs have found to be wrong with what tenants send, told once each in the daemon's log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vxnet.datapath.apply import Datapath
    from vxnet.datapath.duplicates import Duplicate

log = logging.getLogger("vxnetd")

LOOK: Final = 1.0
"""Seconds between looks."""

_MOST = 10
"""Lines at one look: who can make MACs up could fill the log."""


class Lookout:
    """Looks at one datapath, and remembers what it has told."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._told: frozenset[Duplicate] = frozenset()

    def look(self) -> None:
        """Cut off loops, and tell of them; tell of duplicates that were none at the last look."""
        self._duplicates()
        for event in self._datapath.loops():
            if event.back is None:
                log.warning(
                    "segment %s: port %s is in no loop any more, and takes part again", event.segment, event.device
                )
            else:
                log.warning(
                    "segment %s: port %s is in a loop: what is sent there comes back through %s; it is cut off",
                    event.segment,
                    event.device,
                    event.back,
                )

    def _duplicates(self) -> None:
        """RFC 7432, section 15.1: the operator is to be told."""
        found = frozenset(self._datapath.duplicates())
        new = sorted(found - self._told, key=lambda duplicate: duplicate.since)
        for one in new[:_MOST]:
            log.warning(
                "segment %s: MAC %s is at %s and at %s: it stays at %s for 180 seconds",
                one.segment,
                one.mac,
                one.home,
                one.other,
                one.home,
            )
        if len(new) > _MOST:
            log.warning("%d more MACs are in two places; `vxnet fdb` has them", len(new) - _MOST)
        self._told = found
