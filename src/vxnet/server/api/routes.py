# SPDX-License-Identifier: Apache-2.0
"""Where everything of the API is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from vxnet.cluster.commands import agents as agent_commands
from vxnet.cluster.commands import networks, ports, subnets
from vxnet.server.api import openapi
from vxnet.server.api.agents import AGENT
from vxnet.server.api.answers import answer
from vxnet.server.api.discovery import Discovery
from vxnet.server.api.handlers import Api, Collection, caller_of
from vxnet.server.api.networks import NETWORK
from vxnet.server.api.ports import PORT
from vxnet.server.api.quotas import Quotas
from vxnet.server.api.subnets import SUBNET
from vxnet.server.api.tagging import Tagging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Cluster, Decision
    from vxnet.server.settings import Settings


def routes(cluster: Cluster, liveness: Liveness, settings: Settings) -> list[Route]:
    """Return the routes of the OpenStack Networking API v2.0."""
    api = Api(cluster, liveness, settings)

    def delete_agent(replica: Replica, act: Act, name: str) -> Decision[None]:
        agent = agent_commands.agent(replica, act.caller, name)
        return agent_commands.delete(replica, act, name, alive=liveness.alive(agent.host))

    collections = (
        Collection(api, NETWORK, create=networks.create, update=networks.update, delete=networks.delete),
        Collection(api, SUBNET, create=subnets.create, update=subnets.update, delete=subnets.delete),
        Collection(api, PORT, create=ports.create, update=ports.update, delete=ports.delete),
        Collection(api, AGENT, create=None, update=agent_commands.update, delete=delete_agent),
    )
    return [
        *_discovery(api),
        *(route for collection in collections for route in collection.routes()),
        *(route for resource in (NETWORK, SUBNET, PORT) for route in _tags(api, resource.name, resource.plural)),
        *_quotas(api),
        Route("/openapi.json", _document, methods=["GET"]),
    ]


def _discovery(api: Api) -> Iterator[Route]:
    plurals = {resource.plural: resource.name for resource in (NETWORK, SUBNET, PORT, AGENT)}
    discovery = Discovery(api, plurals | {"quotas": "quota", "extensions": "extension"})
    yield Route("/", discovery.root, methods=["GET"])
    for path in ("/v2.0", "/v2.0/"):
        yield Route(path, discovery.version, methods=["GET"])
    yield Route("/v2.0/extensions", discovery.extensions, methods=["GET"])
    yield Route("/v2.0/extensions/{alias}", discovery.extension, methods=["GET"])
    for path in ("/v2.0/tenants", "/v2.0/projects", "/tenants", "/projects", "/v3/projects"):
        yield Route(path, discovery.projects, methods=["GET"])
        yield Route(path + "/{id}", discovery.projects, methods=["GET"])


def _tags(api: Api, name: str, plural: str) -> Iterator[Route]:
    tagging = Tagging(api, name)
    path = f"/v2.0/{plural}/{{id}}/tags"
    yield Route(path, tagging.index, methods=["GET"])
    yield Route(path, tagging.replace, methods=["PUT"])
    yield Route(path, tagging.extend, methods=["POST"])
    yield Route(path, tagging.clear, methods=["DELETE"])
    path += "/{tag:path}"
    yield Route(path, tagging.check, methods=["GET"])
    yield Route(path, tagging.add, methods=["PUT"])
    yield Route(path, tagging.remove, methods=["DELETE"])


def _quotas(api: Api) -> Iterator[Route]:
    quotas = Quotas(api)
    path = "/v2.0/quotas/{project}"
    yield Route("/v2.0/quotas", quotas.index, methods=["GET"])
    yield Route(path, quotas.show, methods=["GET"])
    yield Route(path, quotas.update, methods=["PUT"])
    yield Route(path, quotas.delete, methods=["DELETE"])
    yield Route(path + "/default", quotas.default, methods=["GET"])
    for name in ("details", "details.json"):
        yield Route(f"{path}/{name}", quotas.details, methods=["GET"])


async def _document(request: Request) -> Response:
    caller_of(request)
    body: dict[str, Any] = openapi.document()
    return answer(body)
