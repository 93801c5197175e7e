# SPDX-License-Identifier: Apache-2.0
"""A virtual machine in qemu, with Debian's cloud kernel and a root file system of busybox and two scripts.

    qemu, a process in the host's namespace             the guest
      netdev tap n0 -- virtio-net-pci --------------->  eth0   10.0.0.10  fd00:0::10 --.
      netdev tap n1 -- virtio-net-pci, csum=off ... ->  eth1   10.0.1.10  fd00:1::10 --+-- httpd: keeps what is posted,
      ...                                                                              '   says its hash, gives it back

`make setup` has put the kernel under .venv/vm-kernel. Where there is no KVM, qemu translates, which is slower and all
the same otherwise.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vxnet.errors import HostError, LabError
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from vxnet.lab import Node

KERNEL = Path(__file__).parents[2] / ".venv/vm-kernel"
_MODULES = (
    *("virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_modern_dev", "virtio/virtio_pci_legacy_dev"),
    *("virtio/virtio_pci", "core/failover", "net/net_failover", "net/virtio_net"),
)
"""What the cloud kernel has not built in, in the order in which they can be loaded."""

BOOT = 180.0
"""Seconds until the guest has to answer, on a slow machine without KVM."""
_PATIENCE = 60.0

_INIT = """#!/bin/busybox sh
/bin/busybox --install /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
# An address is one NIC's, though all are on one segment.
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
ip link set lo up
for nic in /sys/class/net/eth*; do
    nic=${{nic##*/}} number=${{nic#eth}}
    ip link set $nic mtu {mtu} up
    ip address add 10.0.$number.10/24 dev $nic
    echo 0 >/proc/sys/net/ipv6/conf/$nic/accept_dad
    ip address add fd00:$number::10/64 dev $nic
done
httpd -f -h /www
poweroff -f
"""

_KEEP = """#!/bin/sh
# POST: keeps the body under the name in the query, and says its hash
printf 'Content-Type: text/plain\\r\\n\\r\\n'
head -c $CONTENT_LENGTH | tee /www/$QUERY_STRING | sha256sum
"""

_NIC = """#!/bin/sh
# what the NIC in the query has agreed on with the device, and what it has received
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cd /sys/class/net/$QUERY_STRING
cat device/features statistics/rx_packets statistics/rx_bytes
"""


class NicState(NamedTuple):
    """How a guest sees one of its NICs: feature bits (VIRTIO_NET_F_...), and what it has received."""

    features: frozenset[int]
    packets: int
    bytes: int


class Vm:
    """A guest whose NICs are TAPs that are there already: ``nics`` has qemu's options of each NIC by its TAP's name.

    Raises HostError without qemu or kernel, LabError with the end of what was on its console if it does not start.
    """

    def __init__(self, host: Node, folder: Path, nics: dict[str, str], *, mtu: int) -> None:
        """Boot it."""
        self._console = folder / "console"
        words = ["-nodefaults", "-display", "none", "-no-reboot", "-m", "256M", "-cpu", "max", "-smp", "1"]
        words += ["-accel", _accelerator(), "-serial", f"file:{self._console}"]
        words += ["-kernel", str(_one("boot/vmlinuz-*")), "-append", "console=ttyS0 panic=-1 quiet"]
        words += ["-initrd", str(_initramfs(folder, mtu))]
        for number, (tap, options) in enumerate(nics.items()):
            words += ["-netdev", f"tap,id=n{number},ifname={tap},script=no,downscript=no"]
            words += ["-device", f"virtio-net-pci,romfile=,netdev=n{number},mac={mac_of(number)},{options}"]
        self._log = (folder / "qemu").open("w+")
        self._process = host.popen("qemu-system-x86_64", *words, stdout=self._log, stderr=self._log)

    def wait(self, machine: Node, address: str) -> None:
        """Wait until it answers at ``address``."""

        def answers() -> bool:
            if self._process.poll() is not None:
                raise LabError(f"qemu has ended: {Path(self._log.name).read_text()}{self.console()}")
            with machine.enter():
                sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            with sock:
                sock.settimeout(1)
                return sock.connect_ex((address, 80)) == 0

        try:
            wait_until(answers, timeout=BOOT, what=f"the guest to answer at {address}")
        except LabError as error:
            error.add_note(self.console())
            raise

    def console(self) -> str:
        """Return the end of what the guest has said."""
        return self._console.read_text(errors="replace")[-3000:] if self._console.exists() else ""

    def close(self) -> None:
        """Switch it off."""
        self._process.kill()
        self._process.wait()
        self._log.close()


def mac_of(number: int) -> str:
    """Return the MAC of a guest's NIC."""
    return f"02:00:00:00:1{number}:10"


def post(machine: Node, address: str, name: str, data: bytes) -> str:
    """Let the guest at ``address`` keep ``data``; return the SHA-256 of what has come to it."""
    return _ask(machine, address, "POST", f"/cgi-bin/keep?{name}", data).decode().split()[0]


def get(machine: Node, address: str, name: str) -> bytes:
    """Return what the guest has kept under a name."""
    return _ask(machine, address, "GET", f"/{name}")


def nic(machine: Node, address: str, name: str) -> NicState:
    """Return the state of the NIC ``name`` of the guest at ``address``."""
    features, packets, octets = _ask(machine, address, "GET", f"/cgi-bin/nic?{name}").decode().split()
    return NicState(frozenset(bit for bit, on in enumerate(features) if on == "1"), int(packets), int(octets))


def _ask(machine: Node, address: str, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = http.client.HTTPConnection(address, 80, timeout=_PATIENCE)
    with machine.enter():
        connection.connect()
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == http.client.OK, (path, answer.status, content)
        return content
    finally:
        connection.close()


def _accelerator() -> str:
    """Return "kvm", or "tcg": a virtual machine may have /dev/kvm and yet no machine to give."""
    cpu = Path("/proc/cpuinfo").read_text()
    return "kvm" if re.search(r"\b(vmx|svm)\b", cpu) and os.access("/dev/kvm", os.W_OK) else "tcg"


def _one(pattern: str) -> Path:
    found = sorted(KERNEL.glob(pattern))
    if not found:
        raise HostError(f"{KERNEL / pattern} is not there: run `make setup`")
    return found[-1]


def _initramfs(folder: Path, mtu: int) -> Path:
    """Write the guest's root file system into ``folder`` and return it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise HostError("busybox is not installed: run `make setup`")
    root = folder / "root"
    for name in ("bin", "dev", "proc", "sys", "modules", "www/cgi-bin"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for number, module in enumerate(_MODULES):
        shutil.copy(_one(f"lib/modules/*/kernel/**/{module}.ko"), root / f"modules/{number:02}.ko")
    for name, text in (("init", _INIT.format(mtu=mtu)), ("www/cgi-bin/keep", _KEEP), ("www/cgi-bin/nic", _NIC)):
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    names = "\n".join(["."] + [str(path.relative_to(root)) for path in sorted(root.rglob("*"))])
    archive = folder / "initramfs"
    with archive.open("wb") as file:
        command = (busybox, "cpio", "-o", "-H", "newc")
        subprocess.run(command, cwd=root, input=names.encode(), stdout=file, stderr=subprocess.DEVNULL, check=True)
    return archive
