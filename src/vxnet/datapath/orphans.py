# SPDX-License-Identifier: Apache-2.0
"""What is left of a VTEP that somebody has taken apart by hand, so that its maps are found no more (see kernel.py).

Without its VXLAN device, the programs on ports and underlay go on taking frames and lead them nowhere. Which VTEP they
were of, only their priority tells: its UDP port. So whatever has the priority of no VTEP that is there may go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import libbpf
from vxnet.datapath.kernel import ACCESS, HANDLE, UNDERLAY, alias

if TYPE_CHECKING:
    from pathlib import Path


def remove_orphans(run_dir: Path) -> None:
    """Take away what this network namespace has of VTEPs that are there no more; that of ``run_dir`` is one of them."""
    present = net.devices().by_index
    for device in [device for device in present.values() if device.alias == alias(run_dir)]:
        net.delete(device.index)
        del present[device.index]
    alive = {device.vxlan_port for device in present.values() if device.alias.startswith("vxnet ")}
    for index, priority in net.bpf_filters((ACCESS, UNDERLAY)):
        if priority not in alive:
            libbpf.tc_detach(index, HANDLE, priority)
            net.remove_empty_clsact(index)
    for group, index, metric in net.all_group_routes():
        if metric not in alive:
            net.remove_group_route(group, index, metric)
