# SPDX-License-Identifier: Apache-2.0
"""What is left of a VTEP that somebody has taken apart by hand, so that its maps are found no more (see kernel.py).

Without its VXLAN device, the programs on ports and underlay go on taking frames and lead them nowhere. A program of
ours whose maps are those of no vxnet that is there may go, and so may a route whose metric is no VTEP's UDP port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import attach
from vxnet.datapath import devices as net
from vxnet.datapath.kernel import ACCESS, UNDERLAY, alias, instances

if TYPE_CHECKING:
    from pathlib import Path


def remove_orphans(run_dir: Path) -> None:
    """Take away what this network namespace has of VTEPs that are there no more; that of ``run_dir`` is one of them."""
    for device in net.devices().by_index.values():
        if device.alias == alias(run_dir):
            net.delete(device.index)
    present = net.devices()
    alive = instances(present)
    for found in attach.programs_of_all(present.by_index):
        if found.program.name in {ACCESS, UNDERLAY} and not any(map(found.of, alive)):
            attach.remove(found)
    ports = {device.vxlan_port for device in present.by_index.values() if device.alias.startswith("vxnet ")}
    for group, index, metric in net.all_group_routes():
        if metric not in ports:
            net.remove_group_route(group, index, metric)
