# SPDX-License-Identifier: Apache-2.0
"""Who is let in, and what of whom they see and change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support import cloud
from tests.support.neutron import NOBODY, error, make, network, subnet

if TYPE_CHECKING:
    from tests.support.apiserver import ApiServer


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "no"}, {"Authorization": "Basic bm86bm8="}])
def test_nobody_we_know_is_refused(server: ApiServer, headers: dict[str, str]) -> None:
    """Without a valid token or password the answer is 401 and says how to log in."""
    answer = httpx.get(f"{server.url}/v2.0/networks", headers=headers)
    assert error(answer) == (401, "HTTPUnauthorized")
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_versions_are_for_everybody(server: ApiServer) -> None:
    """GET / needs no authentication, and names this server as it was asked for."""
    (version,) = httpx.get(server.url).json()["versions"]
    assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
    assert version["links"] == [{"rel": "self", "href": f"{server.url}/v2.0/"}]


def test_an_agents_token_is_none_of_peoples(server: ApiServer) -> None:
    """The token of an agent neither shows nor changes anything here."""
    with server.client("agent") as agent:
        assert error(agent.get("/v2.0/networks")) == (403, "PolicyNotAuthorized")
        assert error(agent.post("/v2.0/networks", json={"network": {}})) == (403, "PolicyNotAuthorized")


def test_a_reader_only_reads(alice: httpx.Client, rita: httpx.Client) -> None:
    """A reader sees their project's things, and makes, changes and deletes none."""
    name = network(alice)
    assert rita.get(f"/v2.0/networks/{name}").status_code == 200
    assert error(rita.post("/v2.0/networks", json={"network": {}})) == (403, "PolicyNotAuthorized")
    assert error(rita.put(f"/v2.0/networks/{name}", json={"network": {"name": "x"}})) == (403, "PolicyNotAuthorized")
    assert error(rita.delete(f"/v2.0/networks/{name}")) == (403, "PolicyNotAuthorized")


@pytest.mark.parametrize("kind", ["network", "subnet", "port"])
def test_anothers_things_are_not_there(alice: httpx.Client, bob: httpx.Client, kind: str) -> None:
    """Another project's id is answered as one that nothing has: 404, whatever is done with it."""
    of = network(alice)
    ids = {"network": of, "subnet": subnet(alice, of), "port": make(alice, "port", network_id=of)["id"]}
    path = f"/v2.0/{kind}s/{ids[kind]}"
    answers = (
        bob.get(path),
        bob.put(path, json={kind: {"name": "mine"}}),
        bob.delete(path),
        bob.put(path + "/tags", json={"tags": ["mine"]}),
        bob.get(f"/v2.0/{kind}s/{NOBODY}"),
    )
    for answer in answers:
        assert error(answer) == (404, f"{kind.capitalize()}NotFound")
    assert bob.get(f"/v2.0/{kind}s", params={"id": ids[kind]}).json() == {f"{kind}s": []}
    assert alice.get(path).status_code == 200


def test_nothing_is_put_into_anothers_network(alice: httpx.Client, bob: httpx.Client) -> None:
    """Subnets and ports in a network that is not seen: 404."""
    of = network(alice)
    body = {"subnet": {"network_id": of, "cidr": "10.0.0.0/24", "ip_version": 4}}
    assert error(bob.post("/v2.0/subnets", json=body)) == (404, "NetworkNotFound")
    assert error(bob.post("/v2.0/ports", json={"port": {"network_id": of}})) == (404, "NetworkNotFound")


def test_a_shared_network_is_for_all(root: httpx.Client, alice: httpx.Client) -> None:
    """All see a shared network and its subnets, and have ports in it; its owner says what is special."""
    of = network(root, shared=True)
    there = subnet(root, of)
    assert alice.get(f"/v2.0/networks/{of}").json()["network"]["shared"] is True
    assert alice.get("/v2.0/subnets", params={"network_id": of}).json()["subnets"][0]["id"] == there
    assert make(alice, "port", network_id=of, fixed_ips=[{"subnet_id": there}])["project_id"] == "red"
    for values in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.0/8"}]},
        {"fixed_ips": [{"ip_address": "10.0.0.77"}]},
        {"device_owner": "network:dhcp"},
    ):
        answer = alice.post("/v2.0/ports", json={"port": {"network_id": of, **values}})
        assert error(answer) == (403, "PolicyNotAuthorized"), values
    assert error(alice.put(f"/v2.0/networks/{of}", json={"network": {"name": "x"}})) == (403, "PolicyNotAuthorized")
    assert error(alice.delete(f"/v2.0/networks/{of}")) == (403, "PolicyNotAuthorized")
    body = {"subnet": {"network_id": of, "cidr": "10.9.0.0/24", "ip_version": 4}}
    assert error(alice.post("/v2.0/subnets", json=body)) == (403, "PolicyNotAuthorized")
    assert error(root.put(f"/v2.0/networks/{of}", json={"network": {"shared": False}})) == (409, "InvalidSharedSetting")


def test_what_is_an_administrators(server: ApiServer, root: httpx.Client, alice: httpx.Client) -> None:
    """Members neither say nor see a VNI or a host, and share nothing; an administrator does."""
    of = network(root, project_id="red", **{"provider:segmentation_id": "4711", "provider:network_type": "vxlan"})
    assert root.get(f"/v2.0/networks/{of}").json()["network"]["provider:segmentation_id"] == 4711
    assert not [name for name in alice.get(f"/v2.0/networks/{of}").json()["network"] if name.startswith("provider:")]
    for values in ({"provider:segmentation_id": 4712}, {"shared": True}, {"router:external": True}):
        assert error(alice.post("/v2.0/networks", json={"network": values})) == (403, "PolicyNotAuthorized")
    assert network(alice, shared=False)
    for name, value in (("binding:host_id", "h1"), ("binding:profile", {"a": 1})):
        answer = alice.post("/v2.0/ports", json={"port": {"network_id": of, name: value}})
        assert error(answer) == (403, "PolicyNotAuthorized")
    port = make(alice, "port", network_id=of)
    assert "binding:host_id" not in port
    assert error(alice.get("/v2.0/ports", params={"binding:host_id": "h1"})) == (403, "PolicyNotAuthorized")
    assert alice.get("/v2.0/agents").json() == {"agents": []}
    server.put(cloud.agent("h7"))
    assert "h7" in [agent["host"] for agent in root.get("/v2.0/agents").json()["agents"]]
    assert error(alice.get("/v2.0/agents/agent-h7")) == (404, "AgentNotFound")
    assert error(alice.post("/v2.0/networks", json={"network": {"project_id": "blue"}})) == (400, "HTTPBadRequest")
