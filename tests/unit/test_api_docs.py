# SPDX-License-Identifier: Apache-2.0
"""docs/api.md and the OpenAPI document say of attributes and extensions what the server's tables say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vxnet.server.api import openapi
from vxnet.server.api.agents import AGENT
from vxnet.server.api.extensions import EXTENSIONS
from vxnet.server.api.networks import NETWORK
from vxnet.server.api.ports import PORT
from vxnet.server.api.subnets import SUBNET

if TYPE_CHECKING:
    from vxnet.server.api.attributes import Attribute, Resource

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def rows(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table under a heading, by their first cell."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| `.*$", section, re.MULTILINE)
    ]
    return {row[0].strip("`"): row[1:] for row in found}


def row(attribute: Attribute) -> list[str]:
    """Return what the page must say of an attribute, but for the last cell."""
    said = " ".join(method for method, may in (("POST", attribute.post), ("PUT", attribute.put)) if may) or "-"
    says = "says" if attribute.write == "admin" else ""
    sees = "sees" if attribute.read == "admin" else ""
    lists = " ".join(use for use, may in (("filter", attribute.filter), ("sort", attribute.sort)) if may) or "-"
    return [
        said + (" (required)" if attribute.required else ""),
        " and ".join(word for word in (says, sees) if word) or "-",
        lists,
    ]


@pytest.mark.parametrize("resource", [NETWORK, SUBNET, PORT, AGENT], ids=lambda resource: resource.name)
def test_attributes(resource: Resource) -> None:
    """Each attribute has its row: who says it, who sees it, what lists do with it."""
    written = rows(resource.plural.capitalize())
    assert {name: cells[:3] for name, cells in written.items()} == {a.name: row(a) for a in resource.attributes}


def test_extensions() -> None:
    """Each extension that the server lists has its row, and no other has."""
    assert rows("Extensions").keys() == EXTENSIONS.keys()


def test_references() -> None:
    """Every reference of the OpenAPI document leads somewhere, and each operation has a name of its own."""
    document = openapi.document()
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert references == document["components"]["schemas"].keys()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
