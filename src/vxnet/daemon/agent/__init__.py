# SPDX-License-Identifier: Apache-2.0
"""`vxnet agent`: keeps this host as the servers of a cluster say."""
