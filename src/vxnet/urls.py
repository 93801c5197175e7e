# SPDX-License-Identifier: Apache-2.0
"""URLs as they may be shown and logged."""

from __future__ import annotations

import re
from typing import Final

_USERINFO: Final = re.compile(r"://[^/]*@")


def without_password(url: str) -> str:
    """Return a URL without what stands before an @ in it (RFC 3986, section 3.2.1)."""
    return _USERINFO.sub("://...@", url)
