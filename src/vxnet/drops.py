# SPDX-License-Identifier: Apache-2.0
"""Why a frame was not forwarded: the reasons, read from the one list that the eBPF programs are compiled with.

    datapath/bpf/drop_reasons.h  --#include-->  eBPF programs: counters by number
                                 --read by-->   this module: numbers, names and texts for Python and people

The list is append-only: counters and users' scripts hold its numbers and names.
"""

from __future__ import annotations

import re
from importlib.resources import files

import msgspec

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_LINE = re.compile(
    r"""DROP\(
        (?P<number>[1-9][0-9]*),[ ]
        (?P<c_name>[A-Z][A-Z0-9_]*),[ ]
        "(?P<name>[a-z][a-z0-9-]*)",[ ]
        "(?P<text>[^"\\]+)"
        \)""",
    re.VERBOSE,
)


class DropReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason: ``number`` in the kernel's counters, ``c_name`` in C, ``name`` for people, ``text`` what happened."""

    number: int
    c_name: str
    name: str
    text: str

    def __str__(self) -> str:
        """Return the name for people, such as ``unknown-vni``."""
        return self.name


def parse_drop_reasons(header: str) -> tuple[DropReason, ...]:
    """Read the text of drop_reasons.h, in its order.

    Raises ValueError, naming the line, if a line is neither comment nor ``DROP(number, C_NAME, "name", "text")``, or if
    a number or a name stands there twice.
    """
    without_comments = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), header)
    reasons: list[DropReason] = []
    taken: set[int | str] = set()
    for at, line in enumerate(without_comments.splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"drop_reasons.h:{at}: not a DROP(number, C_NAME, name, text) line: {line!r}")
        reason = DropReason(number=int(match["number"]), c_name=match["c_name"], name=match["name"], text=match["text"])
        for value in (reason.number, reason.c_name, reason.name):
            if value in taken:
                raise ValueError(f"drop_reasons.h:{at}: {value} is used twice")
            taken.add(value)
        reasons.append(reason)
    return tuple(reasons)


DROP_REASONS = parse_drop_reasons(files("vxnet").joinpath("datapath/bpf/drop_reasons.h").read_text(encoding="utf-8"))
"""Every reason, in the order of the list."""

_BY_NUMBER = {reason.number: reason for reason in DROP_REASONS}
_BY_C_NAME = {reason.c_name: reason for reason in DROP_REASONS}


def drop_reason(key: int | str) -> DropReason:
    """Return the reason with this number, or with this C name (``UNKNOWN_VNI``).

    Raises KeyError if the list has none.
    """
    return _BY_NUMBER[key] if isinstance(key, int) else _BY_C_NAME[key]
