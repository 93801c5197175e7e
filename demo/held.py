# SPDX-License-Identifier: Apache-2.0
"""A VM whose ARP answers are held back until they are let go, so that one can look around in between.

    VM's kernel --answer--> eth0, egress filter --redirect--> TAP "held" --> this program     until release()
                                                 the same frame, once more: eth0 -->          at release()

The answer is the VM's own; only its moment is chosen here.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from vxnet.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node, Tap

DEVICE = "held"


class Held:
    """The ARP answers of ``vm``, held back in ``tap``."""

    def __init__(self, vm: Node, tap: Tap) -> None:
        self._vm = vm
        self._tap = tap

    def answer(self, timeout: float) -> bytes:
        """The frame the VM wants to send. Raises LabError if there is none within ``timeout`` seconds."""
        frame = self._tap.read(timeout)
        if frame is None:
            raise LabError(f"{self._vm.name} was not asked, or had no answer, for {timeout:g} s")
        return frame

    def release(self, frame: bytes) -> None:
        """Let ``frame`` go, and all answers from now on."""
        self._vm.run("tc qdisc delete dev eth0 clsact")
        with self._vm.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("eth0", 0))
            sock.send(frame)


@contextlib.contextmanager
def holding(vm: Node) -> Iterator[Held]:
    """Hold back the ARP answers of ``vm``. Raises LabError where the kernel has no cls_u32 or act_mirred."""
    with vm.tap(DEVICE) as tap:
        vm.run("tc qdisc add dev eth0 clsact")
        vm.run(
            f"tc filter add dev eth0 egress protocol arp u32 match u32 0 0 action mirred egress redirect dev {DEVICE}"
        )
        yield Held(vm, tap)
