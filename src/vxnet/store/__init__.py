# SPDX-License-Identifier: Apache-2.0
"""Where a cluster is kept: keys with values, changed by transactions that two servers can race for and one wins."""
