# SPDX-License-Identifier: Apache-2.0
"""The eBPF programs: C sources, and the object that set-up compiles from them."""
