# SPDX-License-Identifier: Apache-2.0
"""vxnetd: keeps this host as it was asked to be. The kernel forwards without it."""
