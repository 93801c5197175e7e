# SPDX-License-Identifier: Apache-2.0
"""The daemon's voice in the management VNI, and its ear (bpf/liveness.h).

    say     a frame --BPF_PROG_TEST_RUN--> vxnet_say --> the kernel's VXLAN device
    hear    ring buffer --> (remote, frame), ...          `fileno` is readable when there is something

A voice has descriptors of its own: it may be used while somebody else changes the datapath, and says nothing more once
the management VNI is gone.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import devices as net
from vxnet.datapath.kernel import SAY
from vxnet.datapath.layout import Address, Heard
from vxnet.datapath.libbpf import objects, testrun
from vxnet.datapath.libbpf.ring import Ring
from vxnet.packet.mac import ZERO

if TYPE_CHECKING:
    from vxnet.datapath.parts import Parts
    from vxnet.model import IPAddress

_SKB = struct.Struct("=48x16sI124x")
"""struct __sk_buff, of which only `cb` is set."""


class Word(NamedTuple):
    """A frame of the management VNI, and from whose address its packet came."""

    remote: IPAddress
    frame: bytes


class Voice:
    """Of one switch, for one member of the kind MEMBER_BFD."""

    def __init__(self, parts: Parts, member: int) -> None:
        """Open it. What was there to be heard before is not for us: it is thrown away. KernelError if it cannot be."""
        self._member, self._of = member, _whose(parts, member)
        self._locals = {a.version: a for a in (parts.vtep.local6.ip(), parts.vtep.local.ip()) if a}
        device = net.device(parts.vtep.overlay)
        self.mac = device.mac if device else ZERO
        self._say = os.dup(parts.program(SAY))
        self._ring = Ring(parts.maps.heard.fd)
        self._ring.take()

    def is_of(self, parts: Parts, member: int) -> bool:
        """Tell whether it is still that of this switch."""
        return self._of == _whose(parts, member)

    def source(self, remote: IPAddress) -> IPAddress:
        """Return our address of the family of ``remote``."""
        return self._locals[remote.version]

    def fileno(self) -> int:
        """Return what to wait on."""
        return self._ring.fileno()

    def say(self, remote: IPAddress, frame: bytes) -> bool:
        """Send a frame; tell whether the kernel took it."""
        context = _SKB.pack(bytes(Address.of(remote)), self._member)
        return testrun.run(self._say, frame, context)[0] == 0

    def hear(self) -> list[Word]:
        """Return what has arrived, in its order."""
        words = []
        for raw in self._ring.take():
            heard = Heard.from_buffer_copy(raw)
            remote = heard.remote.ip()
            if remote is not None:
                words.append(Word(remote, bytes(heard.frame)[: heard.length]))
        return words

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._say)
        self._ring.close()


def _whose(parts: Parts, member: int) -> tuple[int, int, bytes]:
    """Return what is another one once a voice is of no use any more: program, and so maps; member; our addresses."""
    return objects.program(parts.program(SAY)).id, member, bytes(parts.vtep)
