# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document hangs together."""

from __future__ import annotations

import re

from vxnet.server.api import openapi


def test_references() -> None:
    """Every reference of the OpenAPI document leads somewhere, and each operation has a name of its own."""
    document = openapi.document()
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert references == document["components"]["schemas"].keys()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
