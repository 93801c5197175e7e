# SPDX-License-Identifier: Apache-2.0
"""vxnet: VXLAN tenant networks (RFC 7348) between hosts, switched by eBPF and described by one file a host."""

__version__ = "0.1.0"
