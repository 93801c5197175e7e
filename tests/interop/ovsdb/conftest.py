# SPDX-License-Identifier: Apache-2.0
"""Every test here is run with each kind of switch."""

from __future__ import annotations

import pytest

from tests.support.switches import KINDS


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of switch that serves the database."""
    return str(request.param)
