# SPDX-License-Identifier: Apache-2.0
"""Every frame that was not forwarded, by its reason: what the programs counted, and what the kernel did (rule 7).

    the programs                          map `drops`
    the kernel's VXLAN device             its statistics, as `ip -s -s link show vxnet4789` has them
    the UDP sockets of that device        datagrams with a wrong checksum, the last column of /proc/net/udp and udp6

A device that is made anew counts from zero: what the old one had counted is kept in the map, see `keep`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.datapath import vxlandev
from vxnet.datapath.devices import device
from vxnet.drops import DROP_REASONS, DropReason, drop_reason

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps

_BAD_CHECKSUM = drop_reason("BAD_CHECKSUM")
_INNER_TRUNCATED = drop_reason("INNER_TRUNCATED")
_CONGESTION_MARK = drop_reason("CONGESTION_MARK")
_KERNEL_SEND = drop_reason("KERNEL_SEND")
_KERNEL_RECEIVE = drop_reason("KERNEL_RECEIVE")

_SOCKETS = {Path("/proc/thread-self/net/udp"): "0" * 8, Path("/proc/thread-self/net/udp6"): "0" * 32}
"""Where the kernel lists its UDP sockets, and how it writes an address that means any."""


def dropped(maps: Maps) -> dict[DropReason, int]:
    """Return the count of every reason, zeros and all. The VXLAN devices are those of this thread's namespace."""
    kernel = Counter[DropReason]()
    for _, vtep in maps.vteps.items():  # noqa: PERF102  (a map of the kernel is no dict)
        if device(vtep.overlay):  # else somebody has deleted it
            kernel.update(_by_kernel(vtep.overlay, vtep.dstport))
    return {
        reason: sum(cpu.frames for cpu in maps.drops.get(reason.number)) + kernel[reason] for reason in DROP_REASONS
    }


def keep(maps: Maps, overlay: int, dstport: int) -> None:
    """Write down in the map what the kernel has counted, before the VXLAN device goes and takes its counters along."""
    for reason, frames in _by_kernel(overlay, dstport).items():
        if frames:
            values = maps.drops.get(reason.number)
            values[0].frames += frames
            maps.drops.put(reason.number, values)


def _by_kernel(overlay: int, dstport: int) -> dict[DropReason, int]:
    """Return what the kernel has counted since the VXLAN device was made."""
    counted = vxlandev.counters(overlay)
    # rx_errors is the sum of all its kinds; those that have a reason of their own are not counted twice.
    kinds = counted["rx_length_errors"] + counted["rx_frame_errors"]
    return {
        _BAD_CHECKSUM: _socket_drops(dstport),
        _INNER_TRUNCATED: counted["rx_length_errors"],
        _CONGESTION_MARK: counted["rx_frame_errors"],
        _KERNEL_SEND: counted["tx_errors"] + counted["tx_dropped"],
        _KERNEL_RECEIVE: max(0, counted["rx_errors"] - kinds) + counted["rx_dropped"],
    }


def _socket_drops(port: int) -> int:
    """Return the drops of the UDP sockets that are bound to every address and this port; the VXLAN device's are."""
    drops = 0
    for file, anywhere in _SOCKETS.items():
        if file.exists():  # a kernel without IPv6 has one of them
            local = f"{anywhere}:{port:04X}"
            with file.open(encoding="ascii") as lines:
                drops += sum(int(words[-1]) for line in lines if (words := line.split())[1] == local)
    return drops
