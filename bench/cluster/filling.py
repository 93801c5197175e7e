# SPDX-License-Identifier: Apache-2.0
"""Networks, subnets and ports by the hundred, for what is measured beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.cluster.wire import Client

AT_ONCE = 30
"""How many are created by one request: a port makes up to four writes, and etcd takes 128 at once."""


def networks(client: Client, count: int) -> list[str]:
    """Create networks; return their ids."""
    return _ids(client, "networks", [{"name": f"net{number}"} for number in range(count)])


def subnets(client: Client, networks: Iterable[str], prefix: str = "10.0.0.0/24") -> list[str]:
    """Create a subnet of the same addresses in each network; return their ids."""
    return _ids(client, "subnets", [{"network_id": n, "cidr": prefix, "ip_version": 4} for n in networks])


def ports(client: Client, places: Iterable[tuple[str, str]]) -> list[str]:
    """Create a port for each (network, host); return their ids."""
    return _ids(client, "ports", [{"network_id": network, "binding:host_id": host} for network, host in places])


def _ids(client: Client, collection: str, asked: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for at in range(0, len(asked), AT_ONCE):
        some = asked[at : at + AT_ONCE]
        answer = client.ask("POST", f"/v2.0/{collection}", {collection: some})
        found += (one["id"] for one in answer[collection])
    return found
