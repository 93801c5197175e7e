# SPDX-License-Identifier: Apache-2.0
"""Every route of the API, and which decision each leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cluster.commands import networks, ports, subnets
from vxnet.cluster.commands.networks import Rules
from vxnet.cluster.records import Network, Port, Subnet
from vxnet.server.api.agents import Agents
from vxnet.server.api.collection import Collection, Verbs
from vxnet.server.api.discovery import Discovery
from vxnet.server.api.networks import NETWORKS, network_view
from vxnet.server.api.ports import PORTS, port_view
from vxnet.server.api.quotas import Quotas
from vxnet.server.api.routing import at
from vxnet.server.api.subnets import SUBNETS, subnet_view
from vxnet.server.api.tags import Tags

if TYPE_CHECKING:
    from starlette.routing import Route

    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.writing import Cluster
    from vxnet.server.settings import Settings


def routes(cluster: Cluster, liveness: Liveness, settings: Settings) -> list[Route]:
    """Return them all."""
    discovery = Discovery(settings)
    collections = _collections(cluster, liveness, settings, discovery)
    tags = [Tags(cluster, name, kind) for name, kind in (("networks", Network), ("subnets", Subnet), ("ports", Port))]
    return [
        *_documents(discovery),
        *(route for collection in collections for route in collection.routes()),
        *(route for tagged in tags for route in tagged.routes()),
        *Agents(cluster, liveness).routes(),
        *Quotas(cluster, settings).routes(),
    ]


def _documents(discovery: Discovery) -> list[Route]:
    keystone = ("tenants", "tenants/{id}", "projects", "projects/{id}", "users", "users/{id}")
    return [
        at("/", GET=discovery.versions),
        at("/openapi.json", GET=discovery.openapi),
        at("/v2.0", GET=discovery.resources),
        at("/v2.0/", GET=discovery.resources),
        at("/v2.0/extensions", GET=discovery.extensions),
        at("/v2.0/extensions/{alias}", GET=discovery.extension),
        # Clients look beside the endpoint, too, when they know who they are without asking Keystone.
        *(at(f"{base}/{path}", GET=discovery.no_keystone) for base in ("/v2.0", "") for path in keystone),
    ]


def _collections(
    cluster: Cluster, liveness: Liveness, settings: Settings, discovery: Discovery
) -> tuple[Collection, ...]:
    rules = Rules(vni_ranges=settings.vni_ranges, mtu=settings.mtu, quotas=settings.quotas, alive=liveness.alive)
    of_networks = Verbs(
        create=lambda replica, context, asked, _: networks.create(replica, context, rules, asked),
        update=lambda replica, context, name, values, _: networks.update(replica, context, rules, name, values),
        delete=networks.delete,
        view=network_view,
    )
    of_subnets = Verbs(
        create=lambda replica, context, asked, _: subnets.create(replica, context, rules, asked),
        update=lambda replica, context, name, values, _: subnets.update(replica, context, name, values),
        delete=subnets.delete,
        view=subnet_view,
    )
    of_ports = Verbs(
        create=lambda replica, context, asked, spread: ports.create(replica, context, rules, asked, spread),
        update=ports.update,
        delete=ports.delete,
        view=lambda replica, port, caller: port_view(replica, liveness, port, caller),
    )
    kinds = ((NETWORKS, Network, of_networks), (SUBNETS, Subnet, of_subnets), (PORTS, Port, of_ports))
    return tuple(
        Collection(cluster, settings, discovery, table=table, kind=kind, verbs=verbs) for table, kind, verbs in kinds
    )
