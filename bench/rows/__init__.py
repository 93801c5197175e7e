# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: each a way for frames to get from VM a to VM b."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.rows import bridge, kernel_vxlan, limit, ovs_userspace, vxnet

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bench.bed import Bed


class Row(NamedTuple):
    """A way for frames: ``running`` sets it up in a bed, for the length of a ``with`` block."""

    name: str
    what: str
    running: Callable[[Bed], AbstractContextManager[None]]


ROWS = {
    row.name: row
    for row in (
        Row("limit", "the same hops, bare redirect", limit.running),
        Row("bridge", "Linux bridge, no overlay", bridge.running),
        Row("kernel-vxlan", "Linux bridge and Linux VXLAN", kernel_vxlan.running),
        Row("ovs-userspace", "Open vSwitch, userspace datapath", ovs_userspace.running),
        Row("vxnet", "vxnet", vxnet.running),
    )
}
