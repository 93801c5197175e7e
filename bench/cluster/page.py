# SPDX-License-Identifier: Apache-2.0
"""Putting the figures of a run between the marks of a page of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from bench.machine import Machine

BEGIN: Final = "<!-- bench-cluster -->"
END: Final = "<!-- /bench-cluster -->"


def filled(page: str, figures: str) -> str:
    """Return the page with these figures in the place of those between its marks. VxnetError if it has not both."""
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise VxnetError(f"the page has no {BEGIN} with {END} after it, each on a line of its own")
    return f"{before}{begin}{figures.strip()}\n{end}{after}"


def measured_on(machine: Machine) -> str:
    """Say on what, in a line."""
    cores = f"{machine.cores} cores, Linux {machine.kernel.partition('-')[0]}"
    return f"`make bench-cluster`, {machine.date[:10]}, {cores}, load of {machine.load} when it began."
