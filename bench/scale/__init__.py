# SPDX-License-Identifier: Apache-2.0
"""What it costs to have much: segments, FDB entries, remotes. `python -m bench.scale`, or `make bench-scale`."""
