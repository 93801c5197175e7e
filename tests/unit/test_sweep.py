# SPDX-License-Identifier: Apache-2.0
"""The sweep reads entries of the FDB many at a time: what it takes out of their bytes is what ctypes has there."""

from __future__ import annotations

import ctypes

from vxnet.datapath.layout import Address, FdbKey, FdbValue, Place, fields_of


def test_keys_and_values_are_laid_out_so() -> None:
    """Each field comes out as it went in, and nothing is left over."""
    keys = [FdbKey.of(number, bytes(range(6)), vlan=9) for number in (7, 8)]
    assert list(fields_of(FdbKey, "domain").iter_unpack(b"".join(map(bytes, keys)))) == [(7,), (8,)]
    place = Place(3, Address((ctypes.c_uint8 * 16)(*range(16))))
    value = FdbValue(place, 1, 1 << 40)
    fields = fields_of(FdbValue, "place", "flags", "last_seen")
    assert fields.size == ctypes.sizeof(FdbValue)
    assert fields.unpack(bytes(value)) == (bytes(place), 1, 1 << 40)
