# SPDX-License-Identifier: Apache-2.0
"""What a scene happens in: a lab out of examples/, vxnet on its hosts, captures. All of it is gone when the scene ends.

examples/NAME.lab.toml           the machines           a copy with a name of its own, so that it meets no other lab
examples/NAME.HOST.host.toml     vxnet on each host     run directories in a temporary folder
build/demo-NAME-*.pcapng         what was captured      stays
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from demo.narration import PATIENCE
from demo.vtep import Vtep
from vxnet.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from demo.narration import Narrator
    from vxnet.lab import Capture, Node

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
BUILD = ROOT / "build"

VXLAN = "udp port 4789"
"""What is captured in the underlay, in the language of pcap-filter(7)."""


DEFAULT_SIZE = 56
"""Bytes of payload in an echo request, as ping(8) has it."""


class Bed:
    """A scene's machines by name (``bed["a"]``), its VTEPs by host (``bed.vteps["h1"]``), and the narrator."""

    def __init__(self, tell: Narrator, name: str, lab: Lab, folder: Path) -> None:
        self.tell = tell
        self.name = name
        self.lab = lab
        self.folder = folder
        self.vteps = {
            node.name: Vtep(tell, node, EXAMPLES / f"{name}.{node.name}.host.toml", folder / f"{node.name}.run")
            for node in lab
            if node.role == "host"
        }

    def __getitem__(self, name: str) -> Node:
        """The machine of that name."""
        return self.lab[name]

    def up(self) -> None:
        """Start vxnet on all hosts, side by side. Raises LabError if one of them fails."""
        for host, vtep in self.vteps.items():
            self.tell.command(host, f"vxnet up {_short(vtep.host_file)}")
        with self.tell.waiting("vxnet up, on all hosts"):
            _side_by_side(self.vteps.values(), Vtep.up)

    def down(self) -> None:
        """Take vxnet off all hosts. Raises LabError if one of them fails."""
        for host in self.vteps:
            self.tell.command(host, "vxnet down")
        with self.tell.waiting("vxnet down, on all hosts"):
            _side_by_side(self.vteps.values(), Vtep.down)

    def ping(self, one: str, other: str, count: int, *, size: int = DEFAULT_SIZE) -> None:
        """Let machine ``one`` ping ``other`` with ``size`` bytes, and check that every request is answered."""
        to = self[other].address
        self.tell.command(one, f"ping -c {count} -s {size} {to}" if size != DEFAULT_SIZE else f"ping -c {count} {to}")
        with self.tell.waiting(f"{other} to answer"):
            ping = self[one].ping(to, count=count, size=size, timeout=PATIENCE)
        found = f"{ping.received} of {count}"
        self.tell.check(f"{one} reaches {other}: {count} of {count} requests are answered", ping, found)

    def capture(self, node: str, part: str = "", *, device: str = "eth0", matching: str = VXLAN) -> Capture:
        """Capture a device of a machine into build/demo-NAME.pcapng, or demo-NAME-PART.pcapng."""
        file = BUILD / f"demo-{self.name}{part and '-'}{part}.pcapng"
        return self[node].capture(device, file, matching=matching)


@contextlib.contextmanager
def made(tell: Narrator, name: str) -> Iterator[Bed]:
    """Build the lab of examples/NAME.lab.toml for the length of a ``with`` block.

    With its hosts' namespaces goes what vxnet has in them: the daemon, its device, and the programs and maps on that.
    """
    BUILD.mkdir(exist_ok=True)
    for old in (*BUILD.glob(f"demo-{name}.pcapng"), *BUILD.glob(f"demo-{name}-*.pcapng")):
        old.unlink()
    lab = Lab.load(EXAMPLES / f"{name}.lab.toml", name=Lab.unique("demo").name)
    with tempfile.TemporaryDirectory(prefix="vxnet-demo-") as folder:
        try:
            lab.up()
            yield Bed(tell, name, lab, Path(folder))
        finally:
            with _undisturbed(), tell.waiting("taking the lab down"):
                lab.down()


def _side_by_side(vteps: Collection[Vtep], action: Callable[[Vtep], None]) -> None:
    """Do the same with all at once, wait for all, and raise the first error there was."""
    with ThreadPoolExecutor(len(vteps)) as pool:
        each = [pool.submit(action, vtep) for vtep in vteps]
    for one in each:
        one.result()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C not stop the cleaning that the first one began."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _short(file: Path) -> str:
    """A file's path as one would type it in the repository."""
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else file.name
