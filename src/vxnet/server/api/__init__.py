# SPDX-License-Identifier: Apache-2.0
"""The OpenStack Networking API v2.0: tables of attributes, and what is done with them."""
