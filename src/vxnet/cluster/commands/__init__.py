# SPDX-License-Identifier: Apache-2.0
"""What people ask of a cluster, decided: (replica, act, values) -> Decision. No store, no HTTP, no clock.

Values are named as in the OpenStack Networking API v2.0 (``router:external``), and are of the right type already; what
is not among them was not said. A decision that cannot be is a `RefusedError`.
"""
