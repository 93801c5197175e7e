# SPDX-License-Identifier: Apache-2.0
"""The server against its own OpenAPI document: schemathesis makes requests that fit it, and requests that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support import cloud
from vxnet.server.api import openapi

if TYPE_CHECKING:
    import httpx

    from tests.support.apiserver import ApiServer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

schema = schemathesis.openapi.from_dict(openapi.document())
schema.config.generation.update(modes=list(schemathesis.GenerationMode))


@pytest.fixture(scope="module")
def there(server: ApiServer) -> dict[str, str]:
    """Return the ids of one thing of each kind, by the collection that it is in."""
    agent = cloud.agent("h1")
    server.put(agent)
    with server.client("root") as root:
        network = root.post("/v2.0/networks", json={"network": {}}).json()["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}
        made = root.post("/v2.0/subnets", json={"subnet": subnet}).json()["subnet"]["id"]
        port = root.post("/v2.0/ports", json={"port": {"network_id": network}}).json()["port"]["id"]
    return {"networks": network, "subnets": made, "ports": port, "agents": agent.id}


def test_the_document_is_served(root: httpx.Client) -> None:
    """GET /openapi.json is the document that the other tests go by."""
    assert root.get("/openapi.json").raise_for_status().json() == openapi.document()


def _check(case: schemathesis.Case[Any], server: ApiServer) -> None:
    case.call_and_validate(
        base_url=server.url, headers={"X-Auth-Token": server.tokens["root"]}, checks=CHECKS, timeout=30
    )


@schema.parametrize()
@hypothesis.settings(max_examples=12)
def test_every_operation_keeps_to_the_document(case: schemathesis.Case[Any], server: ApiServer) -> None:
    """Whatever fits the document is answered as it says; whatever does not is refused; nothing is a server's error."""
    _check(case, server)


@schema.include(path_regex="{id}", method_regex="GET|PUT").parametrize()
@hypothesis.settings(max_examples=12)
def test_what_is_there_keeps_to_the_document(
    case: schemathesis.Case[Any], server: ApiServer, there: dict[str, str]
) -> None:
    """The same of a network, a subnet and a port that are there, with what is random in the rest of the request."""
    case.path_parameters["id"] = there[case.path.split("/")[2]]
    _check(case, server)
