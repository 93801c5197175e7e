# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests: their levels, which of them need root, and how hypothesis looks for examples.

    tests/unit      nothing but Python
    tests/bpf       eBPF programs in the kernel, through BPF_PROG_TEST_RUN      root
    tests/host      hosts as network namespaces, real packets                   root
    tests/interop   Linux's VXLAN device, Open vSwitch, a VM and more           root

A test's folder is its level, and its marker: `pytest -m "not interop"`.
"""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).parent
LEVELS = ("unit", "bpf", "host", "interop")
NEED_ROOT = frozenset({"bpf", "host", "interop"})

# This machine, or CI's, may be busy with other things: time says nothing about a property.
_PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
# In CI the same commit gives the same result: the examples are always the same. At home every run looks at new ones,
# and remembers those that failed.
hypothesis.settings.register_profile("ci", _PATIENT, derandomize=True, database=None, print_blob=True)
hypothesis.settings.register_profile("dev", _PATIENT, print_blob=True)


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in {"", "0", "false"}


hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if _is_set("CI") else "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its level."""
    for item in items:
        level = _level(item)
        if level is not None:
            item.add_marker(level)


def _level(item: pytest.Item) -> str | None:
    try:
        folder = item.path.relative_to(HERE).parts[0]
    except ValueError:  # a doctest of the sources
        return None
    return folder if folder in LEVELS else None


@pytest.hookimpl(tryfirst=True)  # before any fixture builds something
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without root, skip what needs it; but fail it where a skipped test would be taken for a passed one."""
    if _level(item) not in NEED_ROOT or os.geteuid() == 0:
        return
    if _is_set("CI") or _is_set("VXNET_REQUIRE_ROOT"):
        pytest.fail("needs root, and CI or VXNET_REQUIRE_ROOT is set: run the tests as root", pytrace=False)
    pytest.skip("needs root: run the tests as root, or only tests/unit")
