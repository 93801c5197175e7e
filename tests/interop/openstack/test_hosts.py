# SPDX-License-Identifier: Apache-2.0
"""A port and its host, and the agents of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import cloud
from tests.support.neutron import error, make, network
from vxnet.cluster.records import Heartbeat, PortState
from vxnet.cluster.times import now

if TYPE_CHECKING:
    import httpx

    from tests.support.apiserver import ApiServer


def test_a_port_is_active_once_its_host_says_so(server: ApiServer, root: httpx.Client) -> None:
    """Unbound; at a host without an agent; at one with: DOWN, until the agent that is alive has confirmed it."""
    port = make(root, "port", network_id=network(root))
    path = f"/v2.0/ports/{port['id']}"
    assert (port["status"], port["binding:vif_type"], port["binding:vif_details"]) == ("DOWN", "unbound", {})
    bound = root.put(path, json={"port": {"binding:host_id": "h3"}}).json()["port"]
    assert (bound["status"], bound["binding:vif_type"]) == ("DOWN", "binding_failed")
    server.put(cloud.agent("h3"), Heartbeat("h3", now(), 1))
    bound = root.get(path).json()["port"]
    assert (bound["status"], bound["binding:vif_type"]) == ("DOWN", "tap")
    assert bound["binding:vif_details"]["device"] == f"tap{port['id'][:11]}"
    server.put(PortState(port["id"], "h3", active=True))
    assert root.get(path).json()["port"]["status"] == "ACTIVE"
    assert [p["id"] for p in root.get("/v2.0/ports?status=ACTIVE").json()["ports"]] == [port["id"]]
    assert root.put(path, json={"port": {"binding:host_id": "h4"}}).json()["port"]["status"] == "DOWN"
    assert root.put(path, json={"port": {"binding:host_id": None}}).json()["port"]["binding:host_id"] == ""


def test_agents(server: ApiServer, root: httpx.Client) -> None:
    """An agent is alive while it is heard of; it is deleted when it is not, and no port is at its host."""
    server.put(cloud.agent("h5"), cloud.agent("h6"), Heartbeat("h5", now(), 1))
    agents = {agent["host"]: agent for agent in root.get("/v2.0/agents").json()["agents"]}
    assert (agents["h5"]["alive"], agents["h6"]["alive"]) == (True, False)
    assert agents["h5"]["configurations"]["local"] == "192.0.2.5"
    assert [a["host"] for a in root.get("/v2.0/agents?alive=true&host=h5&host=h6").json()["agents"]] == ["h5"]
    described = root.put("/v2.0/agents/agent-h5", json={"agent": {"description": "rack 1"}}).json()["agent"]
    assert described["description"] == "rack 1"
    assert error(root.delete("/v2.0/agents/agent-h5")) == (409, "AgentInUse")
    port = make(root, "port", network_id=network(root), **{"binding:host_id": "h6"})["id"]
    assert error(root.delete("/v2.0/agents/agent-h6")) == (409, "AgentInUse")
    root.delete(f"/v2.0/ports/{port}")
    assert root.delete("/v2.0/agents/agent-h6").status_code == 204
    assert error(root.get("/v2.0/agents/agent-h6")) == (404, "AgentNotFound")


REPORT = {"revision": 0, "local": "192.0.2.1", "underlay_mtu": 1500, "version": "0", "started_at": now(), "active": []}


def test_what_no_host_can_be_is_not_believed(server: ApiServer, root: httpx.Client) -> None:
    """An agent's report with an address or MTU that cannot be is refused: all other hosts would have to go by it."""
    with server.client("agent") as agent:
        for wrong in (
            {"local": ""},
            {"local": "h1"},
            {"local": "fd00::1%eth0"},
            {"underlay_mtu": 117},
            {"underlay_mtu": -1},
            {"version": None},
        ):
            answer = agent.put("/agent/v1/h1/report", json=REPORT | wrong)
            assert error(answer) == (400, "HTTPBadRequest"), wrong
        assert error(agent.put("/agent/v1/h1/report", content=b'"\xff"')) == (400, "HTTPBadRequest")
        assert error(agent.get("/agent/v1/h1/stream", params={"after": "9" * 5000})) == (400, "HTTPBadRequest")
        assert root.get("/v2.0/agents?host=h1").json() == {"agents": []}
        assert agent.put("/agent/v1/h1/report", json=REPORT).status_code == 204
    (there,) = root.get("/v2.0/agents?host=h1").json()["agents"]
    assert there["configurations"]["local"] == "192.0.2.1"
