# SPDX-License-Identifier: Apache-2.0
"""What tests of the API make over and over, and how they look at errors."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

NOBODY = str(uuid.uuid4())


def make(client: httpx.Client, kind: str, /, **values: Any) -> dict[str, Any]:
    """Make a resource, and return it."""
    answer = client.post(f"/v2.0/{kind}s", json={kind: values})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()[kind]
    return made


def network(client: httpx.Client, /, **values: Any) -> str:
    """Make a network, and return its id."""
    made: str = make(client, "network", **values)["id"]
    return made


def subnet(client: httpx.Client, of: str, cidr: str = "10.0.0.0/24", /, **values: Any) -> str:
    """Make a subnet, and return its id."""
    version = 6 if ":" in cidr else 4
    made: str = make(client, "subnet", network_id=of, cidr=cidr, ip_version=version, **values)["id"]
    return made


def error(answer: httpx.Response) -> tuple[int, str]:
    """Return an error's status and type, of a body that is as Neutron's are."""
    body = answer.json()["NeutronError"]
    assert body.keys() == {"type", "message", "detail"}
    assert body["message"]
    return answer.status_code, body["type"]
