# SPDX-License-Identifier: Apache-2.0
"""What several tests with real packets share: hosts to try things on, random frames, and the comparison of switches."""

import pytest

# Their assertions show the values when they fail, as those of test files do.
pytest.register_assert_rewrite(f"{__name__}.board", f"{__name__}.twins")
