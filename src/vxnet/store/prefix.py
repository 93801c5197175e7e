# SPDX-License-Identifier: Apache-2.0
"""The keys that begin alike are a range of all keys in order, from the prefix to its end."""

from __future__ import annotations


def end_of(prefix: bytes) -> bytes:
    """Return the first key in order after all that begin with ``prefix``, both in UTF-8; of nothing: after all keys.

    No byte of UTF-8 is 0xff (RFC 3629, section 1), so the last one has always a next.
    """
    return prefix[:-1] + bytes((prefix[-1] + 1,)) if prefix else b"\xff"
