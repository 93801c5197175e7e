# SPDX-License-Identifier: Apache-2.0
"""`vxnet ovs-vswitchd`: the daemon whose desired state is an Open vSwitch database."""
