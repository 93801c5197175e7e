# SPDX-License-Identifier: Apache-2.0
"""Where a host's desired state comes from. Each source yields a `vxnet.model.HostState`, checked there.

hostfile     one TOML file a host
ovsdb        the database of Open vSwitch, which ovs-vsctl writes
cluster      what the servers of a cluster tell this host
"""
