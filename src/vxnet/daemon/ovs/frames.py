# SPDX-License-Identifier: Apache-2.0
"""What ports and tunnels have counted, as Open vSwitch's statistics have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath import report
from vxnet.errors import HostError
from vxnet.sources.ovsdb.status import Frames

if TYPE_CHECKING:
    from pathlib import Path


def frames(run_dir: Path) -> dict[str, Frames]:
    """Return what every port and tunnel has counted, by its name."""
    try:
        counted = report.members(run_dir)
    except HostError:  # there is no bridge
        return {}
    return {
        name: Frames(traffic.rx_packets, traffic.rx_bytes, traffic.tx_packets, traffic.tx_bytes)
        for name, traffic in counted.items()
    }
