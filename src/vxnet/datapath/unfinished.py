# SPDX-License-Identifier: Apache-2.0
"""Devices of ours while they are being made: at no moment is there one of which nobody knows whose it is.

A device is made with one request to the kernel and gets its alias, by which we know it for ours (kernel.py), with
another. Who is killed in between leaves a device that no next daemon would touch, and whose name is taken. So it is
made under a name that says whose it is, unfinished, and gets its own name together with the alias:

    vx+8f3a11c0 --name, alias--> vxnet4789           vx-8f3a11c0: the other end of a veth
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath.kernel import alias
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.datapath.devices import Device


@contextmanager
def unfinished(run_dir: Path) -> Iterator[tuple[str, str]]:
    """Give two names to make a device under, and its other end if it has one; `finish` it in the block.

    What is still there under them, before or when that fails, is deleted.
    """
    clear(run_dir)
    try:
        yield _names(run_dir)
    except BaseException:
        clear(run_dir)
        raise


def finish(run_dir: Path, made: str, name: str, what: str) -> Device:
    """Give the device, which is ``what``, its name and our alias; return it. KernelError if the name is taken."""
    net.set_name(_there(made, name).index, name, f"creating {what} {name}", alias(run_dir))
    return _there(name, name)


def finish_end(made: str, name: str, what: str) -> None:
    """Give a veth's other end, which is somebody else's from then on, its name. KernelError if that is taken."""
    net.set_name(_there(made, name).index, name, f"creating {what} {name}")


def _there(made: str, name: str) -> Device:
    there = net.named(made)
    if there is None:
        message = f"{name}: was deleted by somebody else while it was being made"
        raise KernelError(message)
    return there


def is_unfinished(run_dir: Path, device: Device) -> bool:
    """Tell whether the device is one that whoever was killed here before has begun."""
    return device.name in _names(run_dir)


def clear(run_dir: Path) -> None:
    """Delete what an earlier one has left unfinished."""
    for name in _names(run_dir):
        if there := net.named(name):
            net.delete(there.index)


def _names(run_dir: Path) -> tuple[str, str]:
    whose = f"{zlib.crc32(alias(run_dir).encode()):08x}"
    return f"vx+{whose}", f"vx={whose}"
