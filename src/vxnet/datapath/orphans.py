# SPDX-License-Identifier: Apache-2.0
"""What is left of a switch that somebody has taken apart by hand: devices, programs, routes to groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import attach, routes, unfinished
from vxnet.datapath import devices as net
from vxnet.datapath.kernel import ACCESS, UNDERLAY, alias, owner_of

if TYPE_CHECKING:
    from pathlib import Path


def remove_orphans(run_dir: Path) -> None:
    """Take away what this network namespace has of ``run_dir``, and routes to groups of VTEPs that are no more."""
    unfinished.clear(run_dir)
    for device in net.devices().by_index.values():
        if device.alias == alias(run_dir):
            net.delete(device.index)
    present = net.devices()
    for found in attach.programs_of_all(present.by_index):
        if found.program.name in {ACCESS, UNDERLAY} and owner_of(found.program) == alias(run_dir):
            attach.remove(found)
    ports = {device.vxlan_port for device in present.by_index.values() if device.alias.startswith("vxnet ")}
    for group, index, metric in routes.all_group_routes():
        if metric not in ports:
            routes.remove_group_route(group, index, metric)
