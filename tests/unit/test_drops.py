# SPDX-License-Identifier: Apache-2.0
"""The list of drop reasons is read from C, and only a sound list is taken."""

from __future__ import annotations

import pytest

from vxnet.drops import DROP_REASONS, DropReason, drop_reason, parse_drop_reasons

LINE = 'DROP(1, BAD_SOURCE, "bad-source", "what happened")\n'


def test_first_reasons_are_pinned() -> None:
    """The list is append-only: these numbers and names may never change."""
    pinned = [
        (1, "bad-source"),
        (2, "vlan-tag"),
        (3, "same-port"),
        (4, "split-horizon"),
        (5, "no-destination"),
        (6, "unknown-vni"),
        (7, "bad-header"),
        (8, "truncated"),
        (9, "too-big"),
        (10, "no-port"),
        (11, "send-failed"),
        (12, "bad-checksum"),
        (13, "inner-truncated"),
        (14, "congestion-mark"),
        (15, "kernel-send"),
        (16, "kernel-receive"),
    ]
    assert [(reason.number, reason.name) for reason in DROP_REASONS][: len(pinned)] == pinned


def test_numbers_count_from_one() -> None:
    """Numbers are dense, as the kernel's counters are an array."""
    assert [reason.number for reason in DROP_REASONS] == list(range(1, len(DROP_REASONS) + 1))


def test_lookup_by_number_and_c_name() -> None:
    """A reason is found by what the kernel counts and by what C calls it, and prints as people call it."""
    assert drop_reason(6) is drop_reason("UNKNOWN_VNI")
    assert str(drop_reason(6)) == "unknown-vni"


@pytest.mark.parametrize("key", [0, 64, "NO_SUCH_REASON", "unknown-vni"])
def test_lookup_of_what_is_not_there(key: int | str) -> None:
    """An unknown number or C name is a KeyError, not a reason."""
    with pytest.raises(KeyError):
        drop_reason(key)


def test_parse_reads_all_fields_and_skips_comments() -> None:
    """Every field of a line is kept; comments, even those that show a line, are not."""
    header = "/* one\n * DROP(9, X, ...).\n */\n\n" + LINE
    assert parse_drop_reasons(header) == (
        DropReason(number=1, c_name="BAD_SOURCE", name="bad-source", text="what happened"),
    )


@pytest.mark.parametrize(
    "line",
    [
        'DROP(1, BAD_SOURCE, "bad-source")',
        'DROP(0, BAD_SOURCE, "bad-source", "text")',
        'DROP(x, BAD_SOURCE, "bad-source", "text")',
        'DROP(1, bad_source, "bad-source", "text")',
        'DROP(1, BAD_SOURCE, "Bad Source", "text")',
        'DROP(1, BAD_SOURCE, "bad-source", "text");',
        'DROP(1, BAD_SOURCE, "bad-source", "")',
        "#define SOMETHING 1",
    ],
)
def test_malformed_line_is_refused(line: str) -> None:
    """A line that is not exactly DROP(number, C_NAME, name, text) is an error that names the line's number."""
    with pytest.raises(ValueError, match=r"drop_reasons\.h:3: not a DROP"):
        parse_drop_reasons("/* a\n comment */\n" + line)


@pytest.mark.parametrize(
    ("second", "value"),
    [
        ('DROP(1, OTHER, "other", "text")', "1"),
        ('DROP(2, BAD_SOURCE, "other", "text")', "BAD_SOURCE"),
        ('DROP(2, OTHER, "bad-source", "text")', "bad-source"),
    ],
)
def test_reuse_is_refused(second: str, value: str) -> None:
    """A number, C name or name stands for one reason for ever."""
    with pytest.raises(ValueError, match=f"drop_reasons.h:2: {value} is used twice"):
        parse_drop_reasons(LINE + second)
