# SPDX-License-Identifier: Apache-2.0
"""The switch in the kernel: eBPF programs, their maps, and the devices they are attached to."""
