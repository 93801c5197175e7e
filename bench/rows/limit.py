# SPDX-License-Identifier: Apache-2.0
"""Same hops, nothing done: what comes from a VM is redirected to the underlay, and the other way round.

    a -- tap-a ==access==> eth0 -------- eth0 ==underlay==> (the other end of tap-b) -- b

No look-up, no header, no bridge: whatever a host does for a frame can only be slower.
"""

from __future__ import annotations

import contextlib
from ctypes import c_uint32
from typing import TYPE_CHECKING

from bench import bpf
from vxnet.datapath.libbpf import loading, rawmap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bed import Bed

TO_UNDERLAY, TO_PORT = 0, 1
"""limit.bpf.c."""


@contextlib.contextmanager
def running(bed: Bed) -> Iterator[None]:
    """Attach the two programs on both hosts; they go with the devices."""
    for host, vm, _ in bed.sides:
        # The frames are addressed to the VM. With its address here they count as received by this host, as frames of
        # an overlay do; else they would have to be declared so, one by one, before anything took them.
        host.ip("link", "set", "eth0", "address", vm.mac)
        loaded = bpf.load("limit")
        for key, device in ((TO_UNDERLAY, "eth0"), (TO_PORT, vm.device)):
            rawmap.update(loaded.maps["devices"], c_uint32(key), c_uint32(bpf.index_of(host, device)))
        bpf.attach(host, vm.device, loaded, "access")
        bpf.attach(host, "eth0", loaded, "underlay")
        loading.close(loaded)
    yield
