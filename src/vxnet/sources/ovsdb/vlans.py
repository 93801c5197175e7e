# SPDX-License-Identifier: Apache-2.0
"""A Port row's tag, trunks and vlan_mode as the VLANs that its devices are in.

vlan_mode        tag      is
(unset)          T        access, VLAN T; trunks are ignored
(unset)          (unset)  trunk
access           T        access, VLAN T; VLAN 0 if unset
trunk            any      trunk; the tag is ignored
native-tagged,   T        trunk of trunks and T, not of VLAN 0 if T is not 0: untagged frames are VLAN T;
native-untagged           T is 0 if unset
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.model import ALL_VLANS, Vlans

if TYPE_CHECKING:
    from vxnet.sources.ovsdb.rows import PortRow


def vlans(port: PortRow) -> Vlans | None:
    """Return them, or None for a mode that vxnet does not do."""
    tag, trunks = port.tag or 0, tuple(sorted(port.trunks))
    match port.vlan_mode:
        case None if port.tag is not None:
            return Vlans(mode="access", tag=tag)
        case "access":
            return Vlans(mode="access", tag=tag)
        case None | "trunk":
            return Vlans(trunks=trunks) if trunks else ALL_VLANS
        case "native-tagged" | "native-untagged" as mode:
            if trunks and tag:
                trunks = tuple(sorted({*trunks, tag} - {0}))
            return Vlans(mode=mode, tag=tag, trunks=trunks)
        case _:
            return None


def ignored(port: PortRow) -> str | None:
    """Return what is said in the log of columns that contradict each other; None for most."""
    if port.vlan_mode is None and port.tag is not None and port.trunks:
        return f"port {port.name}: ignoring trunks in favor of implicit vlan"
    return None
