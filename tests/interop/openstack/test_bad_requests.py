# SPDX-License-Identifier: Apache-2.0
"""Requests that cannot be served: what is said, and that nothing is left behind."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.neutron import NOBODY, error, make, network
from vxnet.lab.wait import wait_until
from vxnet.server.api.answers import MOST_LEVELS

if TYPE_CHECKING:
    from tests.support.apiserver import ApiServer


BAD_BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"{", 400),
    "not UTF-8": (b'{"network": {"name": "\xff"}}', 400),
    "half a surrogate": (rb'{"network": {"name": "\ud800"}}', 400),
    "deep": (b"[" * 100_000, 400),
    "a list": (b"[]", 400),
    "no network": (b"{}", 400),
    "something beside": (b'{"network": {}, "more": 1}', 400),
    "a network that is none": (b'{"network": []}', 400),
    "no networks": (b'{"networks": []}', 400),
    "networks that are none": (b'{"networks": [1]}', 400),
    "an unknown attribute": (b'{"network": {"colour": "blue"}}', 400),
    "a read-only attribute": (b'{"network": {"status": "ACTIVE"}}', 400),
    "null for a text": (b'{"network": {"name": null}}', 400),
    "a long name": (b'{"network": {"name": "' + b"x" * 256 + b'"}}', 400),
    "NUL in a name": (rb'{"network": {"name": "a\u0000b"}}', 400),
    "no truth value": (b'{"network": {"admin_state_up": "maybe"}}', 400),
    "a VNI of 25 bits": (b'{"network": {"provider:segmentation_id": 16777216}}', 400),
    "VNI 0": (b'{"network": {"provider:segmentation_id": 0}}', 400),
    "a huge number": (b'{"network": {"provider:segmentation_id": 1' + b"0" * 400 + b"}}", 400),
    "a VLAN": (b'{"network": {"provider:network_type": "vlan"}}', 400),
    "a physical network": (b'{"network": {"provider:physical_network": "eth0"}}', 400),
    "an MTU without room": (b'{"network": {"mtu": 9000}}', 400),
    "an MTU of nothing": (b'{"network": {"mtu": 67}}', 400),
    "zones": (b'{"network": {"availability_zone_hints": ["a"]}}', 400),
    "1 MiB and a byte": (b'{"network": {}}'.ljust(2**20 + 1), 413),
    "1 MiB": (b'{"network": {}}'.ljust(2**20), 201),
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_bad_bodies(root: httpx.Client, what: str) -> None:
    """What makes no sense is refused with a Neutron error, and no network is there afterwards."""
    body, status = BAD_BODIES[what]
    before = len(root.get("/v2.0/networks", params={"fields": "id"}).json()["networks"])
    answer = root.post("/v2.0/networks", content=body)
    assert answer.status_code == status, answer.text
    if status != 201:
        error(answer)
        assert len(root.get("/v2.0/networks", params={"fields": "id"}).json()["networks"]) == before


def test_a_long_body_in_pieces(root: httpx.Client) -> None:
    """A body that does not say how long it is is too long all the same."""
    answer = root.post("/v2.0/networks", content=(b" " * 65536 for _ in range(17)))
    assert error(answer) == (413, "HTTPRequestEntityTooLarge")


def test_a_deep_profile(root: httpx.Client) -> None:
    """What is kept is no deeper than all who read it later can follow."""
    path = f"/v2.0/ports/{make(root, 'port', network_id=network(root))['id']}"

    def profile(levels: int) -> httpx.Response:
        deep: dict[str, Any] = {}
        for _ in range(levels - 3):
            deep = {"a": deep}
        return root.put(path, json={"port": {"binding:profile": deep}})

    assert profile(MOST_LEVELS).status_code == 200
    assert error(profile(MOST_LEVELS + 1)) == (400, "HTTPBadRequest")


def test_a_client_that_hangs_up(server: ApiServer, root: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """A client that is gone before its request is whole is no failure of the server's; nothing is made."""
    caplog.set_level(logging.DEBUG, "vxnet-server")
    name = "half a request"
    body = f'{{"network": {{"name": "{name}"}}}}'
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port)) as connection:
        head = f"POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {server.tokens['root']}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body) + 1}\r\n\r\n{body}".encode())
    wait_until(lambda: "hung up" in caplog.text)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert root.get("/v2.0/networks", params={"name": name}).json() == {"networks": []}


def test_other_media_types(root: httpx.Client) -> None:
    """A form is not JSON: 415."""
    answer = root.post("/v2.0/networks", data={"network": "x"})
    assert error(answer) == (415, "HTTPUnsupportedMediaType")


def test_a_method_that_is_not_there(root: httpx.Client) -> None:
    """405 says which methods there are, all of them."""
    answer = root.request("PATCH", f"/v2.0/networks/{NOBODY}")
    assert error(answer) == (405, "HTTPMethodNotAllowed")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v2.0/security-groups", 404, "HTTPNotFound"),
        ("GET", "/v2.0/networks/", 404, "HTTPNotFound"),
        ("GET", "/v3", 404, "HTTPNotFound"),
        ("GET", "/v2.0/extensions/router", 404, "HTTPNotFound"),
        ("GET", "/v2.0/networks/blue", 404, "NetworkNotFound"),
        ("GET", "/v2.0/tenants/red", 403, "PolicyNotAuthorized"),
        ("GET", "/v2.0/projects", 403, "PolicyNotAuthorized"),
        ("DELETE", "/v2.0/networks", 405, "HTTPMethodNotAllowed"),
        ("POST", "/v2.0/agents", 405, "HTTPMethodNotAllowed"),
        ("GET", "/v2.0/networks?colour=blue", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?limit=-1", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?limit=x", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?sort_key=colour", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?sort_key=name&sort_dir=up", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?sort_key=name&sort_dir=asc&sort_dir=asc", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?admin_state_up=maybe", 400, "HTTPBadRequest"),
        ("GET", f"/v2.0/networks?marker={NOBODY}", 404, "NetworkNotFound"),
        ("GET", "/v2.0/ports?fixed_ips=nonsense", 400, "HTTPBadRequest"),
        ("GET", "/v2.0/networks?mtu=much", 400, "HTTPBadRequest"),
    ],
)
def test_bad_paths_and_parameters(root: httpx.Client, method: str, path: str, status: int, kind: str) -> None:
    """What is not there, or not understood, is said to be so."""
    assert error(root.request(method, path)) == (status, kind)
