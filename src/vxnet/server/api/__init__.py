# SPDX-License-Identifier: Apache-2.0
"""The OpenStack Networking API v2.0, as the openstack client, openstacksdk and Terraform's provider speak it.

request -> routes.py -> accept.py (attribute tables) -> cluster/commands -> views -> query.py -> answer
"""
