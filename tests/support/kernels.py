# SPDX-License-Identifier: Apache-2.0
"""What the kernel that runs the tests cannot do, being older: such a test is skipped, and says so."""

from __future__ import annotations

import platform

import pytest


def release() -> tuple[int, int]:
    """Return the running kernel's version, such as (6, 1)."""
    major, minor, *_ = platform.release().split(".")
    return int(major), int(minor)


unwraps_ipv6 = pytest.mark.skipif(
    release() < (6, 3),
    reason="before Linux 6.3, IPv6 inside of IPv4 and IPv4 inside of IPv6 are received over the slow path",
)
