# SPDX-License-Identifier: Apache-2.0
"""`vxnet server`: the cluster over HTTP: the OpenStack Networking API for people, streams for agents."""
