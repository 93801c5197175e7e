# SPDX-License-Identifier: Apache-2.0
"""Many at once: bulk, filters, pages; tags and quotas."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from tests.support.neutron import error, make, network, subnet

# ---- many ----


def test_bulk_is_all_or_nothing(alice: httpx.Client) -> None:
    """Of several in one request all are made, each with its own numbers, or none."""
    of = network(alice)
    subnet(alice, of, allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.12"}])
    ports = [{"network_id": of, "name": f"p{n}"} for n in range(3)]
    answer = alice.post("/v2.0/ports", json={"ports": [*ports, ports[0]]})
    assert error(answer) == (409, "IpAddressGenerationFailure")
    assert alice.get("/v2.0/ports", params={"network_id": of}).json() == {"ports": []}
    made = alice.post("/v2.0/ports", json={"ports": ports}).json()["ports"]
    assert [port["fixed_ips"][0]["ip_address"] for port in made] == ["10.0.0.10", "10.0.0.11", "10.0.0.12"]
    twice = {"network_id": of, "cidr": "10.7.0.0/24", "ip_version": 4}
    assert error(alice.post("/v2.0/subnets", json={"subnets": [twice, twice]})) == (400, "InvalidInput")


def test_too_many_at_once(alice: httpx.Client) -> None:
    """More than a transaction of the store takes are refused, and the error says how many fit."""
    answer = alice.post("/v2.0/networks", json={"networks": [{}] * 5001})
    assert error(answer) == (400, "BadRequest")
    assert "5000 fit" in answer.json()["NeutronError"]["message"]


def test_filters(alice: httpx.Client) -> None:
    """All filters hold; of one that is there twice, either; fields are those that are asked for."""
    name = uuid.uuid4().hex
    for number in range(4):
        made = network(alice, name=f"{name}-{number % 2}", description=name, admin_state_up=number < 3)
        alice.put(f"/v2.0/networks/{made}/tags", json={"tags": [f"t{number}", "all"]})

    def found(**query: Any) -> int:
        return len(alice.get("/v2.0/networks", params={"description": name, **query}).json()["networks"])

    assert found() == 4
    assert found(name=f"{name}-0") == 2
    assert found(name=[f"{name}-0", f"{name}-1"]) == 4
    assert found(name=f"{name}-1", admin_state_up="False") == 1
    assert found(project_id="blue") == 0
    assert (found(tags="t0,all"), found(tags="t0,t1"), found(**{"tags-any": "t0,t1"})) == (1, 0, 2)
    assert (found(**{"not-tags": "t0,all"}), found(**{"not-tags-any": "t0,t1"})) == (3, 2)
    query = {"name": f"{name}-0", "fields": ["id", "name", "provider:segmentation_id"]}
    (one, _) = alice.get("/v2.0/networks", params=query).json()["networks"]
    assert one.keys() == {"id", "name"}


def test_filters_that_find_what_has_none(alice: httpx.Client) -> None:
    """An empty text finds what has none; a number that nothing can have finds nothing."""
    of = network(alice)
    subnet(alice, of)
    bare = subnet(alice, of, "10.1.0.0/24", gateway_ip=None)

    def found(**query: Any) -> list[str]:
        query |= {"network_id": of}
        return [one["id"] for one in alice.get("/v2.0/subnets", params=query).raise_for_status().json()["subnets"]]

    assert found(gateway_ip="") == [bare]
    assert len(found(name="")) == 2
    assert alice.get("/v2.0/networks", params={"mtu": "99999"}).json() == {"networks": []}


def test_ports_by_address(alice: httpx.Client) -> None:
    """fixed_ips finds ports by subnet and by address."""
    of = network(alice)
    there = subnet(alice, of)
    ports = [make(alice, "port", network_id=of)["id"] for _ in range(3)]

    def found(*values: str) -> list[str]:
        answer = alice.get("/v2.0/ports", params={"fixed_ips": list(values), "fields": "id"})
        return [port["id"] for port in answer.json()["ports"]]

    assert found(f"subnet_id={there}") == sorted(ports)
    assert found(f"subnet_id={there}", "ip_address=10.0.0.3") == [ports[1]]
    assert found(f"subnet_id={there}", "ip_address_substr=.0.4") == [ports[2]]


def test_pages(alice: httpx.Client) -> None:
    """Following the links forth and back shows everything once, in order."""
    name = uuid.uuid4().hex
    alice.post("/v2.0/networks", json={"networks": [{"name": name, "description": str(n % 3)} for n in range(7)]})
    query = {"name": name, "sort_key": "description", "sort_dir": "desc"}
    everything = [one["id"] for one in alice.get("/v2.0/networks", params=query).json()["networks"]]

    def walk(url: str, rel: str) -> list[list[str]]:
        pages = []
        while url:
            body = alice.get(url).json()
            pages.append([one["id"] for one in body["networks"]])
            url = next((link["href"] for link in body.get("networks_links", []) if link["rel"] == rel), "")
        return pages

    first = str(httpx.URL("/v2.0/networks", params={**query, "limit": 3}))
    forth = walk(first, "next")
    assert [one for page in forth for one in page] == everything
    assert [len(page) for page in forth] == [3, 3, 1]
    back = walk(first + "&page_reverse=true", "previous")
    assert [one for page in reversed(back) for one in page] == everything


# ---- tags and quotas ----


def test_tags(alice: httpx.Client) -> None:
    """Tags are replaced, added, looked for and taken, together and one by one."""
    path = f"/v2.0/networks/{network(alice)}/tags"
    assert alice.put(path, json={"tags": ["b", "a"]}).json() == {"tags": ["a", "b"]}
    assert alice.put(path + "/c/d").status_code == 201
    assert alice.get(path + "/c/d").status_code == 204
    assert alice.post(path, json={"tags": ["e"]}).json() == {"tags": ["a", "b", "c/d", "e"]}
    assert alice.delete(path + "/a").status_code == 204
    assert error(alice.delete(path + "/a")) == (404, "TagNotFound")
    assert error(alice.get(path + "/a")) == (404, "TagNotFound")
    assert alice.get(path).json() == {"tags": ["b", "c/d", "e"]}
    assert alice.delete(path).status_code == 204
    assert alice.put(path + "/").status_code == 400
    for tags in (["x" * 256], [""], [1], "x", ["x", "x"], [str(n) for n in range(51)]):
        assert alice.put(path, json={"tags": tags}).status_code == 400
    assert alice.get(path).json() == {"tags": []}


def test_quotas(root: httpx.Client, bob: httpx.Client) -> None:
    """An administrator says how much a project may have; what is more: 409, also in one request with others."""
    used = bob.get("/v2.0/quotas/blue/details.json").json()["quota"]["network"]["used"]
    assert error(bob.put("/v2.0/quotas/blue", json={"quota": {"network": 99}})) == (403, "PolicyNotAuthorized")
    assert error(bob.get("/v2.0/quotas/red")) == (403, "PolicyNotAuthorized")
    assert error(bob.get("/v2.0/quotas")) == (403, "PolicyNotAuthorized")
    default = bob.get("/v2.0/quotas/blue/default").json()
    answer = root.put("/v2.0/quotas/blue", json={"quota": {"network": str(used + 2)}})
    assert answer.json()["quota"] == default["quota"] | {"network": used + 2}
    assert error(bob.post("/v2.0/networks", json={"networks": [{}] * 3})) == (409, "OverQuota")
    made = bob.post("/v2.0/networks", json={"networks": [{}] * 2}).json()["networks"]
    assert error(bob.post("/v2.0/networks", json={"network": {}})) == (409, "OverQuota")
    answer = root.put("/v2.0/quotas/blue", json={"quota": {"network": 0, "check_limit": True}})
    assert error(answer) == (409, "InvalidQuotaValue")
    assert [quota["project_id"] for quota in root.get("/v2.0/quotas").json()["quotas"]] == ["blue"]
    for values in ({"network": -2}, {"network": "x"}, {"router": 1}):
        assert error(root.put("/v2.0/quotas/blue", json={"quota": values})) == (400, "HTTPBadRequest")
    assert root.delete("/v2.0/quotas/blue").status_code == 204
    assert error(root.delete("/v2.0/quotas/blue")) == (404, "ProjectQuotaNotFound")
    assert bob.get("/v2.0/quotas/blue").json() == default
    for one in made:
        assert bob.delete(f"/v2.0/networks/{one['id']}").status_code == 204
