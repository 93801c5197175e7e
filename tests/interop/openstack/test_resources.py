# SPDX-License-Identifier: Apache-2.0
"""Networks, subnets and ports: what is refused, and what is in use."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.neutron import NOBODY, error, make, network, subnet


def test_a_vni_is_given_once(root: httpx.Client) -> None:
    """A VNI that is asked for twice: 409; another is not given instead."""
    network(root, **{"provider:segmentation_id": 777})
    answer = root.post("/v2.0/networks", json={"network": {"provider:segmentation_id": "777"}})
    assert error(answer) == (409, "TunnelIdInUse")


BAD_SUBNETS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no prefix length": ({"cidr": "10.0.0.0"}, 400, "HTTPBadRequest"),
    "no prefix": ({"cidr": "ten"}, 400, "HTTPBadRequest"),
    "all of it": ({"cidr": "0.0.0.0/0", "enable_dhcp": False}, 400, "InvalidInput"),
    "the other version": ({"cidr": "fd00::/64"}, 400, "InvalidInput"),
    "version 5": ({"ip_version": 5}, 400, "HTTPBadRequest"),
    "multicast": ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
    "too small for DHCP": ({"cidr": "10.1.0.0/31"}, 400, "InvalidInput"),
    "overlap": ({"cidr": "10.0.0.128/25"}, 400, "InvalidInput"),
    "overlap by host bits": ({"cidr": "10.0.0.9/22"}, 400, "InvalidInput"),
    "gateway is the network": ({"gateway_ip": "10.1.0.0"}, 400, "InvalidInput"),
    "gateway is broadcast": ({"gateway_ip": "10.1.0.255"}, 400, "InvalidInput"),
    "gateway of IPv6": ({"gateway_ip": "fd00::1"}, 400, "InvalidInput"),
    "pool outside": (
        {"allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.9"}]},
        400,
        "OutOfBoundsAllocationPool",
    ),
    "pool backwards": ({"allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]}, 400, "InvalidAllocationPool"),
    "half a pool": ({"allocation_pools": [{"start": "10.1.0.9"}]}, 400, "HTTPBadRequest"),
    "pools overlap": (
        {"allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}, {"start": "10.1.0.9", "end": "10.1.0.20"}]},
        409,
        "OverlappingAllocationPools",
    ),
    "gateway in a pool": (
        {"allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.9"}]},
        409,
        "GatewayConflictWithAllocationPools",
    ),
    "name server of IPv6": ({"dns_nameservers": ["fd00::1"]}, 400, "InvalidInput"),
    "six name servers": ({"dns_nameservers": [f"10.9.9.{n}" for n in range(6)]}, 400, "HTTPBadRequest"),
    "a name server twice": ({"dns_nameservers": ["10.9.9.9", "10.9.9.9"]}, 400, "HTTPBadRequest"),
    "a route with host": ({"host_routes": [{"destination": "10.9.0.0/16"}]}, 400, "HTTPBadRequest"),
    "modes for IPv4": ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
    "modes that differ": (
        {"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
        400,
        "InvalidInput",
    ),
    "SLAAC in a /80": ({"cidr": "fd00::/80", "ip_version": 6, "ipv6_address_mode": "slaac"}, 400, "InvalidInput"),
    "a pool of prefixes": ({"subnetpool_id": NOBODY}, 400, "HTTPBadRequest"),
    "no network's id": ({"network_id": "blue"}, 400, "HTTPBadRequest"),
    "no network": ({"network_id": NOBODY}, 404, "NetworkNotFound"),
}


def test_bad_subnets(alice: httpx.Client) -> None:
    """A subnet that cannot be is refused, and leaves nothing behind."""
    of = network(alice)
    subnet(alice, of)
    for what, (values, status, kind) in BAD_SUBNETS.items():
        body = {"network_id": of, "cidr": "10.1.0.0/24", "ip_version": 4} | values
        assert error(alice.post("/v2.0/subnets", json={"subnet": body})) == (status, kind), what
    assert len(alice.get("/v2.0/subnets", params={"network_id": of}).json()["subnets"]) == 1


def test_host_bits_become_zero(alice: httpx.Client) -> None:
    """A CIDR with host bits is made canonical, as in Neutron; the gateway is the first address, pools the rest."""
    made = make(alice, "subnet", network_id=network(alice), cidr="10.3.0.77/24", ip_version="4")
    assert (made["cidr"], made["gateway_ip"]) == ("10.3.0.0/24", "10.3.0.1")
    assert made["allocation_pools"] == [{"start": "10.3.0.2", "end": "10.3.0.254"}]


BAD_PORTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "outside of the subnet": ({"fixed_ips": [{"subnet_id": "S", "ip_address": "10.9.0.1"}]}, 400, "InvalidIpForSubnet"),
    "outside of all": ({"fixed_ips": [{"ip_address": "10.9.0.1"}]}, 400, "InvalidIpForNetwork"),
    "broadcast": ({"fixed_ips": [{"subnet_id": "S", "ip_address": "10.0.0.255"}]}, 400, "InvalidIpForSubnet"),
    "taken": ({"fixed_ips": [{"ip_address": "10.0.0.10"}]}, 409, "IpAddressInUse"),
    "twice": ({"fixed_ips": [{"ip_address": "10.0.0.20"}, {"ip_address": "10.0.0.20"}]}, 409, "IpAddressInUse"),
    "no subnet": ({"fixed_ips": [{"subnet_id": NOBODY}]}, 404, "SubnetNotFound"),
    "nothing said": ({"fixed_ips": [{}]}, 400, "InvalidInput"),
    "something else said": ({"fixed_ips": [{"subnet": "S"}]}, 400, "HTTPBadRequest"),
    "no address": ({"fixed_ips": [{"ip_address": "ten"}]}, 400, "HTTPBadRequest"),
    "33 addresses": ({"fixed_ips": [{"subnet_id": "S"}] * 33}, 400, "BadRequest"),
    "a MAC that is taken": ({"mac_address": "FA-16-3E-00-00-10"}, 409, "MacAddressInUse"),
    "a group": ({"mac_address": "01:00:5e:00:00:01"}, 400, "HTTPBadRequest"),
    "no MAC": ({"mac_address": "00:00:00:00:00:00"}, 400, "HTTPBadRequest"),
    "groups": ({"security_groups": [NOBODY]}, 400, "HTTPBadRequest"),
    "eleven pairs": (
        {"allowed_address_pairs": [{"ip_address": f"10.0.1.{n}"} for n in range(11)]},
        400,
        "BadRequest",
    ),
    "a pair twice": (
        {"allowed_address_pairs": [{"ip_address": "10.0.1.1"}] * 2},
        400,
        "DuplicateAddressPairInRequest",
    ),
    "pairs without security": (
        {"allowed_address_pairs": [{"ip_address": "10.0.1.1"}], "port_security_enabled": False},
        409,
        "AddressPairAndPortSecurityRequired",
    ),
    "another kind of device": ({"binding:vnic_type": "direct"}, 400, "HTTPBadRequest"),
}


def test_bad_ports(root: httpx.Client) -> None:
    """A port that cannot be is refused, and leaves neither a MAC nor an address taken."""
    of = network(root)
    there = subnet(root, of)
    make(root, "port", network_id=of, mac_address="fa:16:3e:00:00:10", fixed_ips=[{"ip_address": "10.0.0.10"}])
    for what, (values, status, kind) in BAD_PORTS.items():
        text = httpx.Request("POST", "http://x", json={"port": {"network_id": of, **values}}).content
        answer = root.post("/v2.0/ports", content=text.replace(b'"S"', f'"{there}"'.encode()))
        assert error(answer) == (status, kind), what
    assert len(root.get("/v2.0/ports", params={"network_id": of}).json()["ports"]) == 1
    assert make(root, "port", network_id=of)["fixed_ips"] == [{"subnet_id": there, "ip_address": "10.0.0.2"}]


def test_an_exhausted_pool(alice: httpx.Client) -> None:
    """A pool gives its addresses, lowest first, and then none: 409; one that is given back is given again."""
    of = network(alice)
    subnet(alice, of, allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.11"}])
    first = make(alice, "port", network_id=of)
    assert first["fixed_ips"][0]["ip_address"] == "10.0.0.10"
    assert make(alice, "port", network_id=of)["fixed_ips"][0]["ip_address"] == "10.0.0.11"
    answer = alice.post("/v2.0/ports", json={"port": {"network_id": of}})
    assert error(answer) == (409, "IpAddressGenerationFailure")
    assert alice.delete(f"/v2.0/ports/{first['id']}").status_code == 204
    assert make(alice, "port", network_id=of)["fixed_ips"][0]["ip_address"] == "10.0.0.10"


def test_what_is_in_use_stays(alice: httpx.Client) -> None:
    """Networks with ports and subnets with addresses stay: 409; without, a network goes with its subnets."""
    of = network(alice)
    there = subnet(alice, of)
    port = make(alice, "port", network_id=of)["id"]
    assert error(alice.delete(f"/v2.0/networks/{of}")) == (409, "NetworkInUse")
    assert error(alice.delete(f"/v2.0/subnets/{there}")) == (409, "SubnetInUse")
    assert alice.delete(f"/v2.0/ports/{port}").status_code == 204
    assert alice.delete(f"/v2.0/networks/{of}").status_code == 204
    assert error(alice.get(f"/v2.0/subnets/{there}")) == (404, "SubnetNotFound")


def test_what_cannot_be_changed(alice: httpx.Client) -> None:
    """A network's project, a subnet's prefix and network, a port's network and project stay as they are: 400."""
    of = network(alice)
    ids = {"network": of, "subnet": subnet(alice, of), "port": make(alice, "port", network_id=of)["id"]}
    for kind, name in (
        ("network", "project_id"),
        ("network", "tenant_id"),
        ("network", "id"),
        ("subnet", "cidr"),
        ("subnet", "network_id"),
        ("subnet", "ip_version"),
        ("port", "network_id"),
        ("port", "project_id"),
        ("port", "status"),
    ):
        answer = alice.put(f"/v2.0/{kind}s/{ids[kind]}", json={kind: {name: "x"}})
        assert error(answer) == (400, "HTTPBadRequest"), name


def test_a_revision_is_checked(alice: httpx.Client) -> None:
    """If-Match with another revision number: 412, and nothing is changed; with the right one it is, and counts."""
    of = network(alice)
    path = f"/v2.0/networks/{of}"
    body = {"network": {"name": "new"}}
    answer = alice.put(path, json=body, headers={"If-Match": "revision_number=7"})
    assert error(answer) == (412, "RevisionNumberConstraintFailed")
    assert error(alice.put(path, json=body, headers={"If-Match": "x"})) == (400, "HTTPBadRequest")
    made = alice.put(path, json=body, headers={"If-Match": "revision_number=1"}).json()["network"]
    assert (made["name"], made["revision_number"]) == ("new", 2)
    assert alice.put(path, json=body).json()["network"]["revision_number"] == 2
    assert error(alice.delete(path, headers={"If-Match": "revision_number=1"}))[0] == 412
    assert alice.delete(path, headers={"If-Match": "revision_number=2"}).status_code == 204
