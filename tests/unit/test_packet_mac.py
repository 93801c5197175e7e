# SPDX-License-Identifier: Apache-2.0
"""MAC addresses: text in values, bytes on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vxnet.packet.errors import MalformedError
from vxnet.packet.mac import BROADCAST, ZERO, format_mac, is_group, parse_mac


@given(st.binary(min_size=6, max_size=6))
def test_round_trip(raw: bytes) -> None:
    """Six bytes come back from their text, which is lower case."""
    assert parse_mac(format_mac(raw)) == raw
    assert format_mac(raw) == format_mac(raw).lower()


def test_upper_case_is_read() -> None:
    """People write either case; values hold lower case."""
    assert format_mac(parse_mac("AA:BB:CC:DD:EE:FF")) == "aa:bb:cc:dd:ee:ff"


@pytest.mark.parametrize(
    "text", ["", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:ff:00", "aa-bb-cc-dd-ee-ff", "gg:bb:cc:dd:ee:ff", ZERO + "\n"]
)
def test_other_text_is_refused(text: str) -> None:
    """Text that is not six pairs of hex digits is an error that shows it."""
    with pytest.raises(MalformedError, match="MAC address"):
        parse_mac(text)


@pytest.mark.parametrize("length", [0, 5, 7])
def test_other_lengths_are_refused(length: int) -> None:
    """A MAC has six bytes."""
    with pytest.raises(MalformedError, match=f"{length} bytes"):
        format_mac(bytes(length))


@pytest.mark.parametrize(
    ("mac", "group"), [(BROADCAST, True), ("01:00:5e:00:00:01", True), (ZERO, False), ("02:00:00:00:00:01", False)]
)
def test_group_bit(mac: str, group: bool) -> None:  # noqa: FBT001 - the expected answer
    """The lowest bit of the first byte makes a group address (IEEE 802)."""
    assert is_group(mac) is group
