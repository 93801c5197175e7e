# SPDX-License-Identifier: Apache-2.0
"""Capturing packets of a lab's device into a file, from the first to the last.

    start    tcpdump -i DEVICE -w -  |  editcap - FILE
             wait until tcpdump is listening: what is sent after this is captured
    stop     wait until tcpdump's packet socket has nothing left to read: what was sent before this is captured
             SIGINT, then both end and FILE is complete

A capture program that is told to end leaves behind what is still in its ring. But its packet socket is listed in
/proc/PID/net/packet, and a copy of it (pidfd_getfd) can be polled: it is readable exactly as long as the program has
packets to fetch (--immediate-mode: a ring of single packets, not of blocks that fill up).
tcpdump writes to a pipe, for AppArmor confines its files on many machines, and editcap makes it pcapng.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import HostError, LabError
from vxnet.lab.netns import GRACE, end, entered
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

FORMATS = {".pcapng": "pcapng", ".pcap": "nsecpcap"}
"""editcap's name of a file format, by the file's ending."""

BUFFER = 32 * 1024
"""Size of the ring between kernel and tcpdump, in KiB."""

SNAPLEN = 2048
"""Bytes kept of each packet. Every packet takes so much of the ring, and 16384 of them fit; GSO packets are cut."""

SYS_PIDFD_GETFD = 438
"""The same number on every architecture (Linux 5.6)."""

_libc = ctypes.CDLL(None, use_errno=True)


class Capture:
    """A running capture of everything on ``device`` in ``namespace``; complete in ``file`` once stopped.

    ``file`` ends in .pcapng or .pcap. ``matching`` limits it, in the language of pcap-filter(7); ``snaplen`` bytes of
    each packet are kept. ``dropped`` says, after the stop, how many packets came too fast. Raises LabError if it
    cannot be started, HostError without the
    programs it needs.
    """

    def __init__(
        self, namespace: str, device: str, file: str | Path, *, matching: str = "", snaplen: int = SNAPLEN
    ) -> None:
        """Start, and return once packets are being captured."""
        self.file = Path(file)
        self.dropped = 0
        if self.file.suffix not in FORMATS:
            raise LabError(f"{self.file}: a capture file ends in {' or '.join(FORMATS)}")
        for program in ("tcpdump", "editcap"):
            if shutil.which(program) is None:
                raise HostError(f"{program} is not installed (Debian: apt-get install tcpdump tshark)")
        options = ("--immediate-mode", "--nano", "-n", "-B", str(BUFFER), "-s", str(snaplen), "-Z", "root", "-w", "-")
        with entered(namespace):
            self._tcpdump = subprocess.Popen(
                ("tcpdump", *options, "-i", device, *matching.split()),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C is for us: stop() ends it, with every packet written
            )
        self._editcap = subprocess.Popen(
            ("editcap", "-F", FORMATS[self.file.suffix], "-", str(self.file)),
            stdin=self._tcpdump.stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if self._tcpdump.stdout:
            self._tcpdump.stdout.close()  # editcap alone reads it now
        try:
            self._wait_listening(f"capture on {device} in {namespace}")
        except BaseException:
            end([self._tcpdump.pid, self._editcap.pid])
            self._reap()
            raise

    def stop(self) -> None:
        """Stop once every packet sent so far is in the file. A second call does nothing.

        Raises LabError if the file could not be written.
        """
        if self._tcpdump.returncode is not None:
            return
        try:
            # Where packets keep coming there is no last one to wait for.
            with contextlib.suppress(LabError):
                wait_until(self._drained, timeout=GRACE)
            self._tcpdump.send_signal(signal.SIGINT)
        finally:
            trouble = self._reap()
        if self._editcap.returncode != 0:
            raise LabError(f"{self.file}: {trouble}")

    def fields(self, *names: str, matching: str = "", dstport: int = 4789) -> list[tuple[str, ...]]:
        """One tuple of tshark's display fields for each packet, such as ``fields("ip.src", "vxlan.vni")``.

        A field that is there several times, as ip.src is in a VXLAN packet, has its values joined by commas, outermost
        first. ``matching`` is a display filter; ``dstport`` the UDP port taken for VXLAN. Raises LabError if tshark
        fails.
        """
        self.stop()
        options = [word for name in names for word in ("-e", name)]
        options += ["-d", f"udp.port=={dstport},vxlan", *(("-Y", matching) if matching else ())]
        done = subprocess.run(
            ("tshark", "-n", "-r", str(self.file), "-T", "fields", *options),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise LabError(f"tshark -r {self.file}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]

    def __enter__(self) -> Self:
        """Return itself, which is capturing already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _wait_listening(self, what: str) -> None:
        """Wait for tcpdump to say that it is listening: it does so after binding its socket and setting its filter."""
        lines = []
        for line in self._tcpdump.stderr or ():
            lines.append(line.decode(errors="replace").strip())
            if "listening on" in lines[-1]:
                return
        raise LabError(f"{what}: {lines[-1] if lines else 'tcpdump ended'}")

    def _drained(self) -> bool:
        """Whether tcpdump has fetched everything its socket received."""
        sockets = _packet_sockets(self._tcpdump.pid)
        try:
            poll = select.poll()
            for fd in sockets:
                poll.register(fd, select.POLLIN)
            return not any(event & select.POLLIN for _, event in poll.poll(0))
        finally:
            for fd in sockets:
                os.close(fd)

    def _reap(self) -> str:
        """Wait for both processes, count the drops, and return editcap's complaint if it has one."""
        _, said = self._tcpdump.communicate()
        _, trouble = self._editcap.communicate()
        dropped = re.search(rb"(\d+) packets? dropped by kernel", said)
        self.dropped = int(dropped[1]) if dropped else 0
        return trouble.decode(errors="replace").strip().replace("\n", "; ")


def _packet_sockets(pid: int) -> list[int]:
    """Copies of the packet sockets of a process that are receiving, to be closed by the caller."""
    running = set()
    # sk RefCnt Type Proto Iface R Rmem User Inode
    for line in Path(f"/proc/{pid}/net/packet").read_text(encoding="ascii").splitlines()[1:]:
        columns = line.split()
        if columns[5] == "1":
            running.add(f"socket:[{columns[8]}]")
    pidfd = os.pidfd_open(pid)
    try:
        links = [link for link in Path(f"/proc/{pid}/fd").iterdir() if str(link.readlink()) in running]
        copies = [_libc.syscall(SYS_PIDFD_GETFD, pidfd, int(link.name), 0) for link in links]
    finally:
        os.close(pidfd)
    return [fd for fd in copies if fd >= 0]
