# SPDX-License-Identifier: Apache-2.0
"""Two servers over one store that give away the same addresses, VNIs and MACs at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.support.apiserver import ApiServer
from tests.support.neutron import network, subnet

if TYPE_CHECKING:
    from pathlib import Path

EACH = 120
"""How many of each kind a server makes."""


def test_two_servers_never_give_the_same(tmp_path: Path) -> None:
    """Each gives addresses, MACs and VNIs away as fast as it can: none is given twice, and none that was asked for is
    lost; both then list the same.
    """
    url = f"sqlite://{tmp_path}/cluster.db"
    with ApiServer(url) as one, ApiServer(url) as other:
        with one.client("root") as root:
            of = network(root)
            subnet(root, of)

        def make(server: ApiServer) -> list[dict[str, Any]]:
            made = []
            with server.client("root") as client:
                for _ in range(EACH):
                    answer = client.post("/v2.0/ports", json={"port": {"network_id": of}})
                    assert answer.status_code == 201, answer.text
                    made.append(answer.json()["port"])
                    assert client.post("/v2.0/networks", json={"network": {}}).status_code == 201
            return made

        with ThreadPoolExecutor() as pool:
            ports = [port for made in pool.map(make, (one, other)) for port in made]
        assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 2 * EACH
        assert len({port["mac_address"] for port in ports}) == 2 * EACH
        lists = []
        for server in (one, other):
            with server.client("root") as client:
                vnis = [n["provider:segmentation_id"] for n in client.get("/v2.0/networks").json()["networks"]]
                assert len(set(vnis)) == len(vnis) == 2 * EACH + 1
                lists.append((vnis, [port["id"] for port in client.get("/v2.0/ports").json()["ports"]]))
        assert lists[0] == lists[1]
        assert sorted(lists[0][1]) == sorted(port["id"] for port in ports)
