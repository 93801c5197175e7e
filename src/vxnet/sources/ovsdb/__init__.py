# SPDX-License-Identifier: Apache-2.0
"""The Open vSwitch database: what `ovs-vsctl` writes there as the desired state, and what is written back.

    ovsdb-server --connection--> rows --desired--> HostState, an error for each Interface that cannot be
         ^                        |                                   |
         |                        '--ofports--> numbers               |
         '------connection-----status (columns) <---------- links ----'

Only `connection` speaks to the server. The rest are functions of values: rows (`rows`), devices (`links`).
What the columns mean is in ovs-vswitchd.conf.db(5); where the manual leaves it open, it is as Open vSwitch 3.1 does it.
"""
