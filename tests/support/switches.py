# SPDX-License-Identifier: Apache-2.0
"""Which switches the tests of `ovs-vsctl` run with, and in which way these are allowed to differ."""

from __future__ import annotations

from typing import NamedTuple

from vxnet.lab.vswitch import OVS, VXNET


class Nature(NamedTuple):
    """What a kind of switch is known to be like, where that is not the same for all."""

    forwards_alone: bool
    """Frames go on while the switch's process is not there, or has no database."""
    takes_any_key: bool
    """A key that is no VNI is taken, and cut to 24 bits or to 0, in place of an error in the row."""


NATURES = {
    OVS: Nature(forwards_alone=False, takes_any_key=True),
    VXNET: Nature(forwards_alone=True, takes_any_key=False),
}

KINDS = (OVS, VXNET)
"""The kinds that the tests run with."""
