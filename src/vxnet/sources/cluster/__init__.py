# SPDX-License-Identifier: Apache-2.0
"""The cluster as a source: what a server says of this host's segments becomes a HostState.

stream.py  lines --> view.py  View --> desired.py  Wanted: HostState, and which port is at which device
"""
