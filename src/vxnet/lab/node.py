# SPDX-License-Identifier: Apache-2.0
"""The machines of a lab, each a network namespace, and what a person does on them.

h1.run("ip -s link")               run a command there, get its output
h1.ip("route add default via ...") the same for iproute2
a.ping(b)                          true if every request was answered
with h1.enter(): ...               Python code whose sockets belong there
server = b.popen("iperf3 -s")      a process that goes on; the lab ends it
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, TypeVar

from vxnet.errors import HostError, LabError
from vxnet.lab import netns
from vxnet.lab.capture import SNAPLEN, Capture
from vxnet.lab.ping import Ping, ping
from vxnet.lab.steps import namespace_of
from vxnet.lab.tap import Tap
from vxnet.lab.topology import Switch, Vm, device_of, interfaces
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import IO

    from vxnet.lab.topology import Spec

T = TypeVar("T")


class Node:
    """One namespace of a lab: ``name`` in it, ``namespace`` on the machine, ``role`` as in the topology file."""

    def __init__(self, lab: str, spec: Spec, echo: Callable[[str], object] | None = None) -> None:
        """Speak for a node that exists or is about to."""
        self.name = spec.name
        self.role = type(spec).__name__.lower()
        self.namespace = namespace_of(lab, spec.name)
        self.spec = spec
        self.processes: list[subprocess.Popen[str]] = []
        self.taps: list[Tap] = []
        self.captures: list[Capture] = []
        self._echo = echo

    def __repr__(self) -> str:
        """Role and namespace."""
        return f"<{self.role} {self.namespace}>"

    @property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """Its addresses in the topology, without prefix lengths."""
        return () if isinstance(self.spec, Switch) else tuple(i.ip for i in interfaces(self.spec))

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """The first of its addresses. Raises LabError if it has none."""
        if not self.addresses:
            raise LabError(f"{self.name} has no address")
        return self.addresses[0]

    @property
    def device(self) -> str:
        """The device in a VM's host that leads to the VM. Raises LabError if this is not a VM."""
        if not isinstance(self.spec, Vm):
            raise LabError(f"{self.name} is a {self.role}, not a VM")
        return device_of(self.spec)

    @property
    def mac(self) -> str:
        """The MAC address of its eth0 in lower case, as the kernel knows it."""
        with self.enter():
            return netns.mac("eth0")

    def enter(self) -> AbstractContextManager[None]:
        """Be there with this thread for the length of a ``with`` block.

        Other threads stay where they are; those started in the block are there too, and stay.
        """
        return netns.entered(self.namespace)

    def run(
        self,
        *command: str,
        check: bool = True,
        timeout: float | None = 60.0,
        input: str | None = None,  # noqa: A002 - subprocess.run's word
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there and wait for it: ``run("ip", "link")`` or ``run("ip link")``, split as a shell does.

        Raises LabError if it fails (unless ``check`` is off) or takes longer than ``timeout`` seconds; all it printed
        is in the error's notes.
        """
        words = self._words(command)
        try:
            with self.enter():
                done = subprocess.run(
                    words, input=input, timeout=timeout, env=env, capture_output=True, text=True, check=False
                )
        except FileNotFoundError:
            raise HostError(f"{self.name}: {words[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: {shlex.join(words)}: no end after {timeout:g} s") from None
        if check and done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
            error = LabError(f"{self.name}: {shlex.join(words)}: exit {done.returncode}: {last}".rstrip(": "))
            error.add_note(f"{done.stdout}{done.stderr}".rstrip())
            raise error
        return done

    def popen(
        self,
        *command: str,
        stdin: int | IO[str] | None = None,
        stdout: int | IO[str] | None = None,
        stderr: int | IO[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command there that goes on, in text mode; the lab ends it when it is taken down."""
        words = self._words(command)
        try:
            with self.enter():
                process = subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=stderr, env=env, text=True)
        except FileNotFoundError:
            raise HostError(f"{self.name}: {words[0]} is not installed") from None
        self.processes.append(process)
        return process

    def ip(self, *words: str) -> str:
        """The output of an iproute2 command there: ``ip("-j", "link")`` or ``ip("-j link")``."""
        return self.run("ip", *(shlex.split(words[0]) if len(words) == 1 else words)).stdout

    def ping(
        self,
        to: Node | IPv4Address | IPv6Address | str,
        count: int = 1,
        *,
        timeout: float = 1.0,
        interval: float = 0.0,
        size: int = 56,
        df: bool = False,
    ) -> Ping:
        """Ping another node (its first address) or an address; true if every request was answered.

        ``timeout`` and ``interval`` are in seconds, ``size`` in bytes of payload; ``df`` forbids fragments.
        """
        address = to.address if isinstance(to, Node) else ip_address(to)
        if self._echo:
            self._echo(f"nsenter --net={netns.RUN / self.namespace} ping -c {count} {address}")
        with self.enter():
            return ping(address, count=count, timeout=timeout, interval=interval, size=size, df=df)

    def wait(self, condition: Callable[[], T], *, timeout: float = 5.0, what: str = "") -> T:
        """Ask ``condition`` there until it answers with something true, and return that.

        Raises LabError, saying ``what`` was waited for, after ``timeout`` seconds.
        """
        with self.enter():
            return wait_until(condition, timeout=timeout, what=what and f"{self.name}: {what}")

    def tap(self, name: str, *, mtu: int | None = None, vnet_header: bool = False) -> Tap:
        """Make a TAP device there, up, whose other end is this program; removed with the lab."""
        if self._echo:
            self._echo(f"nsenter --net={netns.RUN / self.namespace} ip tuntap add {name} mode tap")
        with self.enter():
            tap = Tap(name, vnet_header=vnet_header)
        self.taps.append(tap)
        self.ip("link", "set", name, "up", *(("mtu", str(mtu)) if mtu else ()))
        return tap

    def capture(self, device: str, file: str | Path, *, matching: str = "", snaplen: int = SNAPLEN) -> Capture:
        """Capture ``device`` into ``file`` (.pcapng or .pcap) until stopped; returns once it captures, see Capture."""
        if self._echo:
            self._echo(f"nsenter --net={netns.RUN / self.namespace} tcpdump -i {device} -w {file} {matching}".rstrip())
        capture = Capture(self.namespace, device, file, matching=matching, snaplen=snaplen)
        self.captures.append(capture)
        return capture

    def stop_captures(self) -> None:
        """Stop its captures; their files are complete then."""
        with contextlib.ExitStack() as each:
            while self.captures:
                each.callback(self.captures.pop().stop)

    def close(self) -> None:
        """Close its TAPs and end the processes started by `popen`."""
        for tap in self.taps:
            tap.close()
        netns.end([process.pid for process in self.processes if process.poll() is None])
        for process in self.processes:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.taps.clear()
        self.processes.clear()

    def _words(self, command: tuple[str, ...]) -> list[str]:
        words = shlex.split(command[0]) if len(command) == 1 else list(command)
        if not words:
            raise LabError(f"{self.name}: no command given")
        if self._echo:
            self._echo(f"nsenter --net={netns.RUN / self.namespace} {shlex.join(words)}")
        return words
