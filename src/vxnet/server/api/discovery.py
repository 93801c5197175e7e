# SPDX-License-Identifier: Apache-2.0
"""Where everything is: versions, resources and extensions. Clients ask before they do anything else.

A client given ``/v2.0`` itself as the endpoint reads the version there too, beside Neutron's list of resources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands.errors import NotFound
from vxnet.server.api.answers import answer, error
from vxnet.server.api.openapi import document

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from vxnet.server.settings import Settings

COLLECTIONS = ("networks", "subnets", "ports", "agents", "quotas", "extensions")

EXTENSIONS = {
    "agent": "the agents of hosts",
    "allowed-address-pairs": "what may leave a port besides its own addresses",
    "binding": "at which host a port is",
    "external-net": "router:external of networks, which is kept and shown",
    "net-mtu": "the MTU of networks",
    "net-mtu-writable": "the MTU of networks can be changed",
    "pagination": "limit and marker of lists",
    "port-security": "whether only a port's own addresses leave it",
    "project-id": "project_id beside tenant_id",
    "provider": "the VNI of networks",
    "quota_details": "how much of a quota is used",
    "quotas": "how much a project may have",
    "revision-if-match": "changes of what was read, and of nothing newer",
    "sorting": "sort_key and sort_dir of lists",
    "standard-attr-description": "descriptions",
    "standard-attr-revisions": "revision_number",
    "standard-attr-tag": "tags",
    "standard-attr-timestamp": "created_at and updated_at",
    "subnet-service-types": "service_types of subnets, which are kept and shown",
}
"""The extensions that are there, by Neutron's alias, and what each is."""

_UPDATED = "2026-11-26T00:00:00Z"


class Discovery:
    """The documents that need no resource."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def versions(self, request: Request) -> Response:
        """The root: which versions there are."""
        return answer({"versions": [self._version(request)]})

    async def resources(self, request: Request) -> Response:
        """The version: which collections there are."""
        base = f"{self.base(request)}/v2.0"
        resources = [
            {"name": name.removesuffix("s"), "collection": name, "links": [{"rel": "self", "href": f"{base}/{name}"}]}
            for name in COLLECTIONS
        ]
        return answer({"version": self._version(request), "resources": resources})

    async def extensions(self, _: Request) -> Response:
        """Which extensions there are."""
        return answer({"extensions": [_extension(alias) for alias in EXTENSIONS]})

    async def extension(self, request: Request) -> Response:
        """One of them."""
        alias = request.path_params["alias"]
        if alias not in EXTENSIONS:
            raise NotFound(f"extension {alias} could not be found")
        return answer({"extension": _extension(alias)})

    async def openapi(self, _: Request) -> Response:
        """The description of all of it."""
        return answer(document())

    async def no_keystone(self, _: Request) -> Response:
        """Tell clients that look for a project to take its name for its id, which is what it is here."""
        return error(403, "Forbidden", "projects are not kept here; name one by its id")

    def base(self, request: Request) -> str:
        """Return what links begin with."""
        return (self._settings.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")

    def _version(self, request: Request) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self.base(request)}/v2.0/"}]
        return {"id": "v2.0", "status": "CURRENT", "links": links}


def _extension(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": alias, "description": EXTENSIONS[alias], "updated": _UPDATED, "links": []}
