# SPDX-License-Identifier: Apache-2.0
"""Internal ports: devices that vxnet makes, which hold addresses of this host inside a bridge.

    the host's addresses, routes -- br0 ==veth== vx-8f3a11c0 -- port of the bridge

The end with the port's name is the user's: up or down, addresses, another network namespace. The other end is ours: its
alias says so (see kernel.py), and it is what is attached.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath.kernel import alias
from vxnet.datapath.unfinished import finish, finish_end, unfinished
from vxnet.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vxnet.datapath.devices import Device
    from vxnet.model import Port

_LARGEST_MTU = 65535
"""Ours lets everything pass: what is too large, the user's end judges."""


def inner_name(device: str) -> str:
    """Return the name of our end: a device's name has no room for another word before it."""
    return f"vx-{zlib.crc32(device.encode()):08x}"


def make(run_dir: Path, port: Port) -> Device:
    """Make the device of an internal port, or take the one that is there; return our end.

    HostError if another device has one of the names.
    """
    inner = net.named(inner_name(port.device))
    if inner is None:
        if net.named(port.device):
            message = f"device {port.device} exists already and is none of vxnet's; an internal port makes its own"
            raise HostError(message)
        with unfinished(run_dir) as (outer, made):
            net.create_veth(outer, made, peer_mtu=_LARGEST_MTU)
            finish_end(outer, port.device, "device")
            inner = finish(run_dir, made, inner_name(port.device), "device")
        net.set_sysctl(f"ipv6/conf/{inner.name}/disable_ipv6", "1")
        net.set_up(inner.index)
    elif inner.alias != alias(run_dir):
        message = f"device {port.device}: {inner.name}, its other end, belongs to {inner.alias or 'somebody else'}"
        raise HostError(message)
    return inner


def settle(port: Port) -> None:
    """Give the user's end the MAC and the MTU that are asked for, if it is in this network namespace."""
    outer = net.named(port.device)
    if outer and port.mac and outer.mac != port.mac:
        net.set_mac(outer.index, port.mac)
    if outer and port.mtu and outer.mtu != port.mtu:
        net.set_mtu(outer.index, port.mtu)


def remove(devices: Iterable[str], run_dir: Path) -> None:
    """Delete both ends of each, with the addresses and routes that were there; nothing there is fine."""
    inner = filter(None, (net.named(inner_name(device)) for device in devices))
    net.delete_together([device.index for device in inner if device.alias == alias(run_dir)])
