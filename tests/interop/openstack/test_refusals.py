# SPDX-License-Identifier: Apache-2.0
"""What cannot be is refused by the status and type that Neutron has for it, and nothing is half made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.interop.openstack.conftest import Asker, Joins
    from vxnet.lab.apiserver import ApiServer

NOBODY = "00000000-0000-4000-8000-000000000000"


def counts(asker: Asker) -> list[int]:
    """Return how many networks, subnets and ports somebody's project has."""
    own = f"?project_id={asker.project}"
    return [len(asker.ask("GET", f"/{kind}{own}").json()[kind]) for kind in ("networks", "subnets", "ports")]


@pytest.mark.parametrize(
    ("kind", "attributes", "status", "error"),
    [
        ("network", {"nme": "x"}, 400, "InvalidInput"),
        ("network", {"name": 5}, 400, "InvalidInput"),
        ("network", {"name": "x" * 256}, 400, "InvalidInput"),
        ("network", {"mtu": 1451}, 400, "InvalidInput"),
        ("network", {"mtu": "many"}, 400, "InvalidInput"),
        ("network", {"id": NOBODY}, 400, "InvalidInput"),
        ("network", {"provider:segmentation_id": 5001}, 403, "PolicyNotAuthorized"),
        ("network", {"shared": True}, 403, "PolicyNotAuthorized"),
        ("network", {"project_id": "another"}, 403, "PolicyNotAuthorized"),
        ("subnet", {"cidr": "10.0.0.0/24", "ip_version": 4}, 400, "InvalidInput"),
        ("port", {}, 400, "InvalidInput"),
        ("port", {"network_id": NOBODY}, 404, "NetworkNotFound"),
        ("port", {"network_id": "net"}, 400, "InvalidInput"),
    ],
)
def test_attributes(member: Asker, kind: str, attributes: dict[str, Any], status: int, error: str) -> None:
    """An attribute that is unknown, of the wrong kind, for others to set, or missing."""
    assert member.refused("POST", f"/{kind}s", {kind: attributes}) == (status, error)
    assert counts(member) == [0, 0, 0]


@pytest.mark.parametrize(
    "attributes",
    [
        {"cidr": "10.0.0.0", "ip_version": 4},
        {"cidr": "10.0.0.0/33", "ip_version": 4},
        {"cidr": "10.0.0.0/24", "ip_version": 6},
        {"cidr": "0.0.0.0/0", "ip_version": 4},
        {"cidr": "224.0.0.0/24", "ip_version": 4},
        {"cidr": "10.1.0.0/16", "ip_version": 4},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "gateway_ip": "10.3.0.1"},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "gateway_ip": "2001:db8::1"},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.2.0.9", "end": "10.2.0.5"}]},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.2.0.9", "end": "10.2.1.5"}]},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.5"}]},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.2.0.9"}]},
        {
            "cidr": "10.2.0.0/24",
            "ip_version": 4,
            "allocation_pools": [{"start": "10.2.0.9", "end": "10.2.0.20"}, {"start": "10.2.0.20", "end": "10.2.0.30"}],
        },
        {"cidr": "10.2.0.0/24", "ip_version": 4, "dns_nameservers": ["2001:db8::53"]},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "host_routes": [{"destination": "::/0", "nexthop": "10.2.0.1"}]},
        {"cidr": "10.2.0.0/24", "ip_version": 4, "ipv6_ra_mode": "slaac"},
        {"cidr": "2001:db8::/80", "ip_version": 6, "ipv6_address_mode": "slaac"},
    ],
)
def test_subnets(member: Asker, attributes: dict[str, Any]) -> None:
    """Prefixes, gateways, pools, routes and modes that cannot be, or overlap what is there."""
    network = member.make("network")["id"]
    member.make("subnet", network_id=network, cidr="10.1.5.0/24", ip_version=4)
    body = {"subnet": {"network_id": network} | attributes}
    assert member.refused("POST", "/subnets", body) == (400, "InvalidInput")
    assert counts(member) == [1, 1, 0]


def test_host_bits_are_dropped(member: Asker) -> None:
    """A prefix with host bits is its network's, as in Neutron."""
    network = member.make("network")["id"]
    assert member.make("subnet", network_id=network, cidr="10.0.0.77/24", ip_version=4)["cidr"] == "10.0.0.0/24"


@pytest.mark.parametrize(
    ("attributes", "status", "error"),
    [
        ({"fixed_ips": [{"ip_address": "10.9.0.1"}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{"subnet_id": NOBODY}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{"ip_address": "10.0.0.255"}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{"ip_address": "10.0.0.2"}]}, 409, "IpAddressInUse"),
        ({"fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}]}, 409, "IpAddressInUse"),
        ({"mac_address": "fa:16:3e:00:00:01"}, 409, "MacAddressInUse"),
        ({"mac_address": "01:00:5e:00:00:01"}, 400, "InvalidInput"),
        ({"mac_address": "fa:16:3e"}, 400, "InvalidInput"),
        ({"security_groups": [NOBODY]}, 400, "InvalidInput"),
        ({"binding:host_id": "h1"}, 403, "PolicyNotAuthorized"),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.0/40"}]}, 400, "InvalidInput"),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.7"}, {"ip_address": "10.0.0.7"}]}, 400, "InvalidInput"),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.7"}], "port_security_enabled": False}, 400, "InvalidInput"),
    ],
)
def test_ports(member: Asker, attributes: dict[str, Any], status: int, error: str) -> None:
    """Addresses and MACs that are elsewhere, taken or none."""
    network = member.make("network")["id"]
    member.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    member.make("port", network_id=network, mac_address="fa:16:3e:00:00:01")
    assert member.refused("POST", "/ports", {"port": {"network_id": network} | attributes}) == (status, error)
    assert counts(member) == [1, 1, 1]


def test_a_pool_ends(member: Asker) -> None:
    """The pool's last address is given away, then none."""
    network = member.make("network")["id"]
    member.make("subnet", network_id=network, cidr="10.0.0.0/29", ip_version=4)
    given = [member.make("port", network_id=network)["fixed_ips"][0]["ip_address"] for _ in range(5)]
    assert given == [f"10.0.0.{n}" for n in range(2, 7)]
    body = {"port": {"network_id": network}}
    assert member.refused("POST", "/ports", body) == (409, "IpAddressGenerationFailure")
    freed = member.ask("GET", "/ports").json()["ports"][1]
    assert member.ask("DELETE", f"/ports/{freed['id']}").status_code == 204
    again = member.make("port", network_id=network)["fixed_ips"]
    assert again == freed["fixed_ips"]


def test_a_vni_is_one_networks(admin: Asker) -> None:
    """A VNI belongs to one network; outside the ranges it must be asked for."""
    assert admin.make("network", **{"provider:segmentation_id": "12000"})["provider:segmentation_id"] == 12000
    body = {"network": {"provider:segmentation_id": 12000}}
    assert admin.refused("POST", "/networks", body) == (409, "TunnelIdInUse")
    assert admin.refused("POST", "/networks", {"network": {"provider:segmentation_id": 2**24}}) == (400, "InvalidInput")
    assert admin.refused("POST", "/networks", {"network": {"provider:network_type": "vlan"}}) == (400, "InvalidInput")


def test_in_use(member: Asker) -> None:
    """What something is in stays; a network's subnets go with it once no port is in it."""
    network = member.make("network")["id"]
    subnet = member.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)["id"]
    port = member.make("port", network_id=network)["id"]
    assert member.refused("DELETE", f"/networks/{network}") == (409, "NetworkInUse")
    assert member.refused("DELETE", f"/subnets/{subnet}") == (409, "SubnetInUse")
    assert member.ask("DELETE", f"/ports/{port}").status_code == 204
    assert member.ask("DELETE", f"/networks/{network}").status_code == 204
    assert counts(member) == [0, 0, 0]


def test_other_projects_do_not_exist(member: Asker, other: Asker) -> None:
    """Another project's ids are not found, whatever is done with them."""
    network = member.make("network")["id"]
    subnet = member.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)["id"]
    port = member.make("port", network_id=network)["id"]
    for kind, name in (("network", network), ("subnet", subnet), ("port", port)):
        missing = (404, f"{kind.title()}NotFound")
        assert other.refused("GET", f"/{kind}s/{name}") == missing
        assert other.refused("PUT", f"/{kind}s/{name}", {kind: {"name": "mine"}}) == missing
        assert other.refused("DELETE", f"/{kind}s/{name}") == missing
        assert other.refused("PUT", f"/{kind}s/{name}/tags", {"tags": ["mine"]}) == missing
        assert other.ask("GET", f"/{kind}s?id={name}").json()[f"{kind}s"] == []
    assert other.refused("POST", "/ports", {"port": {"network_id": network}}) == (404, "NetworkNotFound")
    assert counts(other) == [0, 0, 0]


def test_shared_networks(admin: Asker, member: Asker, other: Asker) -> None:
    """All projects see a shared network and have ports in it; nobody else changes it, or sees others' ports."""
    network = admin.make("network", shared=True, name="public")["id"]
    admin.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    port = member.make("port", network_id=network)["id"]
    assert other.ask("GET", f"/networks/{network}").status_code == 200
    assert other.refused("PUT", f"/networks/{network}", {"network": {"name": "mine"}}) == (403, "PolicyNotAuthorized")
    assert other.refused("GET", f"/ports/{port}") == (404, "PortNotFound")
    assert admin.refused("PUT", f"/networks/{network}", {"network": {"shared": False}}) == (400, "InvalidInput")
    assert admin.ask("GET", f"/ports/{port}").status_code == 200


def test_readers_read(joins: Joins, member: Asker) -> None:
    """A reader sees the project's and changes nothing."""
    network = member.make("network")["id"]
    reader = joins("reader", member.project)
    assert reader.ask("GET", f"/networks/{network}").status_code == 200
    assert reader.refused("POST", "/networks", {"network": {}}) == (403, "PolicyNotAuthorized")
    assert reader.refused("PUT", f"/networks/{network}", {"network": {}}) == (403, "PolicyNotAuthorized")
    assert reader.refused("DELETE", f"/networks/{network}") == (403, "PolicyNotAuthorized")


def test_bulk_is_all_or_none(member: Asker) -> None:
    """One that cannot be takes the others with it."""
    network = member.make("network")["id"]
    member.make("subnet", network_id=network, cidr="10.0.0.0/29", ip_version=4)
    body = {"ports": [{"network_id": network}] * 6}
    assert member.refused("POST", "/ports", body) == (409, "IpAddressGenerationFailure")
    assert counts(member) == [1, 1, 0]
    made = member.ask("POST", "/ports", {"ports": [{"network_id": network}] * 5}).json()["ports"]
    assert len({port["fixed_ips"][0]["ip_address"] for port in made}) == 5
    assert member.refused("POST", "/ports", {"ports": []}) == (400, "InvalidInput")


def test_quota(admin: Asker, member: Asker) -> None:
    """A project gets what its quota allows, and not one more."""
    answer = admin.ask("PUT", f"/quotas/{member.project}", {"quota": {"network": 2}})
    assert answer.json()["quota"]["network"] == 2
    assert member.refused("POST", "/networks", {"networks": [{}, {}, {}]}) == (409, "OverQuota")
    member.make("network")
    member.make("network")
    assert member.refused("POST", "/networks", {"network": {}}) == (409, "OverQuota")
    assert member.refused("PUT", f"/quotas/{member.project}", {"quota": {"network": 9}}) == (403, "PolicyNotAuthorized")
    details = member.ask("GET", f"/quotas/{member.project}/details.json").json()["quota"]["network"]
    assert details == {"limit": 2, "used": 2, "reserved": 0}
    assert admin.ask("DELETE", f"/quotas/{member.project}").status_code == 204
    member.make("network")


def test_revisions(member: Asker) -> None:
    """A change of what somebody else has changed since is refused."""
    network = member.make("network")
    path, now = f"/networks/{network['id']}", network["revision_number"]
    assert member.ask("PUT", path, {"network": {"name": "a"}}, If_Match=f"revision_number={now}").status_code == 200
    stale = member.refused("PUT", path, {"network": {"name": "b"}}, If_Match=f"revision_number={now}")
    assert stale == (412, "RevisionNumberConstraintFailed")
    assert member.refused("DELETE", path, If_Match=f"revision_number={now}")[0] == 412
    assert member.refused("PUT", path, {"network": {}}, If_Match="newest") == (400, "InvalidInput")
    assert member.ask("GET", path).json()["network"]["name"] == "a"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"network": 5}', b'{"net": {}}', b'{"network": {}, "x": 1}'])
def test_bodies(server: ApiServer, member: Asker, body: bytes) -> None:
    """What is no JSON object with one resource in it."""
    answer = member.post("/networks", body)
    assert answer.status_code == 400
    assert answer.json()["NeutronError"]["type"] == "InvalidInput"
    assert server.process.poll() is None


def test_large_and_deep(member: Asker) -> None:
    """A body of more than 1 MiB is refused by its length, or once it has come; one that is nested too deep, too."""
    large = b'{"network": {"name": "' + b"x" * (1 << 20) + b'"}}'
    assert member.post("/networks", large).status_code == 413
    assert member.post("/networks", iter([large[:1000], large[1000:]])).status_code == 413
    assert member.post("/networks", b'{"network":' + b"[" * 100_000).status_code == 400
    assert counts(member) == [0, 0, 0]


def test_paths_and_methods(member: Asker) -> None:
    """What there is not, and what cannot be done with it."""
    assert member.refused("GET", "/routers")[0] == 404
    assert member.refused("PATCH", "/networks")[0] == 405
    assert set(member.ask("PATCH", f"/networks/{NOBODY}").headers["allow"].split(", ")) == {
        "DELETE",
        "GET",
        "HEAD",
        "PUT",
    }
    assert member.refused("GET", "/agents") == (403, "PolicyNotAuthorized")


def test_who_is_not_known(server: ApiServer, client: httpx.Client) -> None:
    """No name, a wrong password, a wrong token: 401. The versions are anybody's."""
    unknown: list[dict[str, Any]] = [
        {},
        {"auth": ("admin", "wrong")},
        {"auth": ("nobody", "x")},
        {"headers": {"X-Auth-Token": "notused"}},
    ]
    for credentials in unknown:
        answer = client.get("/v2.0/networks", **credentials)
        assert answer.status_code == 401
        assert "NeutronError" in answer.json()
        assert answer.headers["www-authenticate"].startswith("Basic")
    versions = client.get("/").json()["versions"]
    assert versions[0]["links"][0]["href"] == f"{server.url}/v2.0/"
