# SPDX-License-Identifier: Apache-2.0
"""The sweep reads entries of the FDB without ctypes: they lie in memory as ctypes has them."""

from __future__ import annotations

import ctypes

from vxnet.datapath.layout import Address, FdbKey, FdbValue, Place
from vxnet.datapath.sweep import _KEY, _VALUE


def test_keys_and_values_are_laid_out_so() -> None:
    """Each field comes out as it went in, and nothing is left over."""
    key = FdbKey.of(7, bytes(range(6)), vlan=9)
    assert ctypes.sizeof(FdbKey) == _KEY.size
    assert _KEY.unpack(bytes(key)) == (7,)
    remote = Address((ctypes.c_uint8 * 16)(*range(16)))
    value = FdbValue(Place(3, remote), 1, 1 << 40)
    assert ctypes.sizeof(FdbValue) == _VALUE.size
    assert _VALUE.unpack(bytes(value)) == (3, bytes(range(16)), 1, 1 << 40)
