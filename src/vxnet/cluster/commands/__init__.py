# SPDX-License-Identifier: Apache-2.0
"""What callers may do to the cluster, decided on a replica alone: nothing here waits, asks or writes.

    (replica, caller, values that are each fit) -> Decision: what is to be written, on which conditions, and the result

`Cluster.write` carries decisions out, and lets them be made anew when another server was faster.
"""
