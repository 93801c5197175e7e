# SPDX-License-Identifier: Apache-2.0
"""Hosts, VMs, routers and links on one machine, out of network namespaces: see `vxnet.lab.lab.Lab`."""

from vxnet.lab.capture import Capture
from vxnet.lab.lab import Lab
from vxnet.lab.node import Node
from vxnet.lab.ping import Ping
from vxnet.lab.tap import Tap
from vxnet.lab.topology import Topology
from vxnet.lab.wait import wait_until

__all__ = ["Capture", "Lab", "Node", "Ping", "Tap", "Topology", "wait_until"]
