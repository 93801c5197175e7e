# SPDX-License-Identifier: Apache-2.0
"""A TAP device in Python: what is written to it arrives in its host as if from a VM, and the other way round.

    test                     namespace of the host
    tap.write(frame)  --->   device NAME receives the frame  (programs on its ingress see it)
    tap.read()        <---   device NAME is sent a frame

A write returns once the kernel has taken the frame through the device's receive path; what it sends on to another TAP
of the same machine is then as a rule ready to be read, but when the kernel defers the work it may come a little later:
read with a timeout.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import time
from typing import TYPE_CHECKING

from vxnet.errors import LabError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_TUN_EXCL = 0x0002, 0x1000, 0x4000, 0x8000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN = 0x01, 0x02, 0x04, 0x08
TUN_F_USO4, TUN_F_USO6 = 0x20, 0x40
"""linux/if_tun.h; the last two, which are asked for together, since Linux 6.2."""

IFREQ = struct.Struct("16sH22x")
"""struct ifreq with ifr_flags (linux/if.h)."""

FRAME_MAX = 65536 + 14 + 10
"""Bytes: the largest GSO frame, with its Ethernet and virtio headers."""


class Tap:
    """An open TAP device named ``name`` in the namespace the calling thread is in; it goes away when closed.

    With ``vnet_header`` each frame is preceded by the 10 bytes of a virtio_net_hdr, and the kernel may hand over GSO
    frames and unfinished checksums, as it does to a VM's virtio device. Raises LabError if the device is there already.
    """

    def __init__(self, name: str, *, vnet_header: bool = False) -> None:
        """Create the device; it is still down."""
        self.name = name
        self.vnet_header = vnet_header
        self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (IFF_VNET_HDR if vnet_header else 0)
            fcntl.ioctl(self._fd, TUNSETIFF, IFREQ.pack(name.encode(), flags))
            if vnet_header:
                self.take(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
        except OSError as error:
            os.close(self._fd)
            self._fd = -1
            raise LabError(f"cannot make the TAP {name!r}: {error.strerror}") from None
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def take(self, offloads: int) -> None:
        """Let the kernel leave to this end what ``offloads`` (TUN_F_...) says, and nothing else.

        Raises OSError (EINVAL) for what it does not know, or not without another.
        """
        fcntl.ioctl(self._fd, TUNSETOFFLOAD, offloads)

    def write(self, frame: bytes) -> None:
        """Let ``frame`` (Ethernet header first, no FCS) arrive at the host. Raises OSError if it is down (EIO)."""
        os.write(self._fd, frame)

    def read(self, timeout: float = 1.0) -> bytes | None:
        """The next frame the host sends here, or None when there is none within ``timeout`` seconds."""
        deadline = None
        while True:
            try:
                return os.read(self._fd, FRAME_MAX)
            except BlockingIOError:
                now = time.monotonic()
                deadline = now + timeout if deadline is None else deadline
                if now >= deadline:
                    return None
                self._poll.poll((deadline - now) * 1000)

    def read_all(self, timeout: float = 0.0) -> list[bytes]:
        """All frames up to the first pause of ``timeout`` seconds; with 0, those that are ready."""
        frames = []
        while (frame := self.read(timeout)) is not None:
            frames.append(frame)
        return frames

    def fileno(self) -> int:
        """The file descriptor, for select and asyncio."""
        return self._fd

    def close(self) -> None:
        """Remove the device."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the device."""
        self.close()
