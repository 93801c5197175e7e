# SPDX-License-Identifier: Apache-2.0
"""MAC addresses that Open vSwitch chooses by itself: of a bridge, of a fake bridge, of a tunnel.

bridge        other_config:hwaddr, or the lowest of its ports' devices, or one made of its row's UUID
fake bridge   the lowest of the devices with its tag, or the bridge's made of the UUID
tunnel        made of its row's UUID: it is only shown, in mac_in_use
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from vxnet.packet.errors import MalformedError
from vxnet.packet.mac import ZERO, format_mac, is_group, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

_LOCAL, _GROUP = 0x02, 0x01

_DATAPATH_ID = re.compile(r"[0-9a-fA-F]{16}|0[xX][0-9a-fA-F]{1,16}")


def written(text: str | None) -> str | None:
    """Return a MAC as the database has it, in lower case; None if it is none, or one that no device can have."""
    try:
        raw = parse_mac(text or "")
    except MalformedError:
        return None
    mac = format_mac(raw)
    return None if is_group(mac) or mac == ZERO else mac


def of_bridge(uuid: UUID, hwaddr: str | None, others: Iterable[str | None]) -> str:
    """Return the MAC of a bridge's local port; ``others`` are the MACs of its other ports' devices."""
    return written(hwaddr) or lowest(others) or made_of(uuid)


def lowest(macs: Iterable[str | None]) -> str | None:
    """Return the lowest that a maker gave to a device; what somebody made up, as for TAPs and veths, does not count."""
    return min((mac for mac in macs if mac and _is_universal(mac)), default=None)


def made_of(uuid: UUID) -> str:
    """Return a MAC that is always the same for a row.

    Open vSwitch takes the first six bytes of the UUID as they lie in memory: 32-bit words, least significant byte
    first.
    """
    words = struct.unpack("!4I", uuid.bytes)
    raw = bytearray(struct.pack("<4I", *words)[:6])
    raw[0] = (raw[0] | _LOCAL) & ~_GROUP
    return format_mac(bytes(raw))


def datapath_id(asked: str | None, mac: str) -> str:
    """Return a bridge's datapath ID, 16 hexadecimal digits: as asked for, or the bridge's MAC behind two zero bytes."""
    if asked and _DATAPATH_ID.fullmatch(asked) and int(asked, 16):
        return f"{int(asked, 16):016x}"
    return f"0000{mac.replace(':', '')}"


def _is_universal(mac: str) -> bool:
    return not parse_mac(mac)[0] & (_LOCAL | _GROUP) and mac != ZERO
