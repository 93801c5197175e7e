# SPDX-License-Identifier: Apache-2.0
"""The maps that say most of what there is, parsed; and known again without that, as long as no byte has changed.

A daemon looks every ten seconds at what may be 100 000 segments. To take their bytes out of the kernel takes a
hundredth of the time that it takes to make values of them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from vxnet.datapath.senders import Senders
from vxnet.datapath.slots import Slots

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps

MAPS: Final = ("domains", "members", "flood", "arrivals", "senders")


class Parsed:
    """What is in `MAPS`."""

    def __init__(self, maps: Maps) -> None:
        """Parse it."""
        self.digest = digest(maps)
        self.slots = Slots(maps)
        self.senders = Senders(maps)
        self.flood = maps.flood.copied()
        self.arrivals = maps.arrivals.copied()


def digest(maps: Maps) -> bytes:
    """Return what tells whether the bytes in `MAPS` are the same as at another time."""
    found = hashlib.blake2b(digest_size=16)
    for name in MAPS:
        for piece in maps.pieces(name):
            found.update(piece)
    return found.digest()
