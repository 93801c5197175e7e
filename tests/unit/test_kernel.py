# SPDX-License-Identifier: Apache-2.0
"""Which kernels will do."""

from __future__ import annotations

import pytest

from vxnet.datapath.kernel import require_linux
from vxnet.errors import HostError


@pytest.mark.parametrize("release", ["6.1.0-47-amd64", "6.12.117+deb13-cloud-amd64", "7.0", "6.18.44", "Linus's own"])
def test_new_enough(release: str) -> None:
    """6.1 and newer, and what does not say."""
    require_linux(release)


@pytest.mark.parametrize("release", ["5.15.0-130-generic", "6.0.19", "5.10.0-32-amd64", "4.19.0"])
def test_too_old(release: str) -> None:
    """The error names the kernel, and what is needed."""
    with pytest.raises(HostError, match=rf"Linux {release} is too old: vxnet needs 6\.1 or newer"):
        require_linux(release)
