# SPDX-License-Identifier: Apache-2.0
"""What the kernel's ethtool interface says of a device: its driver, speed and duplex (linux/ethtool.h)."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
_GSET, _GDRVINFO = 0x01, 0x03
_SETTINGS_LENGTH, _DRVINFO_LENGTH = 44, 196
_DUPLEX = {0: "half", 1: "full"}
_UNKNOWN_SPEED = 0xFFFFFFFF


def driver(device: str) -> dict[str, str]:
    """Return driver_name, driver_version and firmware_version; empty for a device that has gone or does not say."""
    answer = _ask(device, _GDRVINFO, _DRVINFO_LENGTH)
    if answer is None:
        return {}
    name, version, firmware = struct.unpack_from("32s32s32s", answer, 4)
    return {
        "driver_name": _text(name),
        "driver_version": _text(version),
        "firmware_version": _text(firmware),
    }


def speed(device: str) -> tuple[int | None, str | None]:
    """Return (bit/s, "full" or "half"), None for what is not known."""
    answer = _ask(device, _GSET, _SETTINGS_LENGTH)
    if answer is None:
        return None, None
    # struct ethtool_cmd: speed's two halves at 12 and 28, duplex at 14.
    low, duplex, high = (*struct.unpack_from("=HB", answer, 12), *struct.unpack_from("=H", answer, 28))
    megabits = high << 16 | low
    known = megabits not in {0, 0xFFFF, _UNKNOWN_SPEED}
    return (megabits * 1_000_000 if known else None), _DUPLEX.get(duplex)


def _ask(device: str, command: int, length: int) -> bytes | None:
    data = array.array("B", struct.pack("=I", command) + bytes(length - 4))
    request = struct.pack("16sP", device.encode(), data.buffer_info()[0]).ljust(40, b"\0")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            fcntl.ioctl(channel, _SIOCETHTOOL, request)
        except OSError:
            return None
    return data.tobytes()


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")
