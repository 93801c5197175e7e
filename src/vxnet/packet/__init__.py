# SPDX-License-Identifier: Apache-2.0
"""Packets as frozen values: each codec turns bytes into a value and the value into the same bytes.

    Ethernet ( Arp | IPv4 ( Udp ( Vxlan ( Ethernet ( ... ) ) ) | Icmp ) | IPv6 ( ... ) )

Every codec has ``parse(bytes)``, which raises `MalformedError`, and ``encode()``; ``payload`` is what the next codec
parses. `outer` reads whole VXLAN packets as a VTEP must: leniently, and saying what is wrong. Nothing here touches a
device.
"""

from __future__ import annotations
