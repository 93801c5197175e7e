# SPDX-License-Identifier: Apache-2.0
"""Networks, subnets, ports and agents over HTTP: from a request to a command, from a record to an answer.

GET     the replica, once it has all that was committed        page or record --shown()--> JSON
POST    body --accepted()--> values --create--> written        201, whole or not at all
PUT     body --accepted()--> values --update--> written        200
DELETE                               --delete--> written       204
"""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from vxnet.cluster.commands.act import Act
from vxnet.cluster.commands.errors import bad_request, not_authorized
from vxnet.cluster.times import now
from vxnet.server.api.answers import answer, body_of
from vxnet.server.api.attributes import View, accepted, shown
from vxnet.server.api.mtu import offered
from vxnet.server.api.query import page, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.requests import Request

    from vxnet.cluster.caller import Caller
    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Cluster, Decision
    from vxnet.server.api.attributes import Attribute, Resource
    from vxnet.server.api.query import Page, Query
    from vxnet.server.settings import Settings

T = TypeVar("T")

_IF_MATCH = re.compile(r'"?revision_number=([0-9]{1,10})"?')

_AT_ONCE = 500
"""How many records are shown before others get their turn."""

_SPREAD = 4
"""How much farther apart servers look for free numbers with each race they lose."""


class Api:
    """What the handlers stand on."""

    def __init__(self, cluster: Cluster, liveness: Liveness, settings: Settings) -> None:
        self.cluster = cluster
        self.liveness = liveness
        self.settings = settings

    async def view(self, request: Request) -> View:
        """Return the cluster as it is now, through the eyes of who asks."""
        return View(await self.cluster.fresh(), self.liveness, caller_of(request))

    async def write(self, request: Request, decide: Callable[[Replica, Act], Decision[T]]) -> T:
        """Have something decided and written. ``decide`` is asked anew when another server was faster."""
        caller = caller_of(request)
        if not caller.may_write:
            raise not_authorized(f"{request.method.lower()}:{request.url.path}")
        revision = _revision_asked(request)
        attempts = 0

        def attempt(replica: Replica) -> Decision[T]:
            nonlocal attempts
            skip = random.randint(0, _SPREAD * attempts)  # noqa: S311  (to part servers, not a secret)
            attempts += 1
            act = Act(
                caller=caller,
                now=now(),
                mtu=offered(replica, self.liveness, self.settings),
                vni_ranges=self.settings.vni_ranges,
                quotas=self.settings.quotas,
                most_writes=self.cluster.store.most_writes,
                skip=skip,
                revision=revision,
            )
            return decide(replica, act)

        return await self.cluster.write(attempt)

    def shown(self, request: Request, attributes: Sequence[Attribute], record: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return what is to be seen of a record that was just written."""
        return shown(View(self.cluster.replica, self.liveness, caller_of(request)), attributes, record)

    def base(self, request: Request) -> str:
        """Return where this server is, as clients find it."""
        return (self.settings.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


def caller_of(request: Request) -> Caller:
    """Return who asks; an agent has no say here."""
    caller: Caller = request.state.caller
    if caller.host:
        raise not_authorized("the token of an agent is for the agent's own requests; this")
    return caller


def _revision_asked(request: Request) -> int | None:
    """Return the revision number that the header If-Match asks for."""
    text = request.headers.get("if-match")
    if text is None or request.method == "POST":
        return None
    match = _IF_MATCH.fullmatch(text.strip())
    if match is None:
        raise bad_request(f"If-Match: '{text}' is not revision_number=N")
    return int(match[1])


class Collection:
    """The requests about one kind of resource. ``create`` None: things of it are not made by people."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        *,
        create: Callable[[Replica, Act, Sequence[dict[str, Any]]], Decision[list[Any]]] | None,
        update: Callable[[Replica, Act, str, dict[str, Any]], Decision[Any]],
        delete: Callable[[Replica, Act, str], Decision[None]],
    ) -> None:
        self._api = api
        self._resource = resource
        self._create = create
        self._update = update
        self._delete = delete

    def routes(self) -> Iterator[Route]:
        """Yield where they are found."""
        path = f"/v2.0/{self._resource.plural}"
        yield Route(path, self.index, methods=["GET"])
        if self._create:
            yield Route(path, self.create, methods=["POST"])
        yield Route(path + "/{id}", self.show, methods=["GET"])
        yield Route(path + "/{id}", self.update, methods=["PUT"])
        yield Route(path + "/{id}", self.delete, methods=["DELETE"])

    async def index(self, request: Request) -> Response:
        """Answer with those that are asked for."""
        view = await self._api.view(request)
        parameters = request.query_params.multi_items()
        query = parsed(self._resource, view.caller, parameters, self._api.settings.max_page)
        found = page(self._resource, view, query)
        attributes = self._resource.seen_by(view.caller, query.fields)
        items: list[dict[str, Any]] = []
        for start in range(0, len(found.records), _AT_ONCE):
            items.extend(shown(view, attributes, record) for record in found.records[start : start + _AT_ONCE])
            if start + _AT_ONCE < len(found.records):
                await asyncio.sleep(0)
        body: dict[str, Any] = {self._resource.plural: items}
        if links := self._links(request, query, found):
            body[f"{self._resource.plural}_links"] = links
        return answer(body)

    def _links(self, request: Request, query: Query, found: Page) -> list[dict[str, str]]:
        if query.limit is None or not found.records:
            return []
        links = []
        if found.after:
            links.append({"rel": "next", "href": self._href(request, found.records[-1].id, reverse=False)})
        if found.before:
            links.append({"rel": "previous", "href": self._href(request, found.records[0].id, reverse=True)})
        return links

    def _href(self, request: Request, marker: str, *, reverse: bool) -> str:
        kept = [(k, v) for k, v in request.query_params.multi_items() if k not in {"marker", "page_reverse"}]
        kept.append(("marker", marker))
        if reverse:
            kept.append(("page_reverse", "True"))
        return f"{self._api.base(request)}{request.url.path}?{urlencode(kept)}"

    async def show(self, request: Request) -> Response:
        """Answer with one."""
        view = await self._api.view(request)
        record = self._resource.find(view, request.path_params["id"])
        attributes = self._resource.seen_by(view.caller, [f for f in request.query_params.getlist("fields") if f])
        return answer({self._resource.name: shown(view, attributes, record)})

    async def create(self, request: Request) -> Response:
        """Make one, or several or none."""
        create, name, plural = self._create, self._resource.name, self._resource.plural
        assert create is not None  # noqa: S101  (there is no route to it then)
        caller = caller_of(request)
        body = await body_of(request)
        if isinstance(body, dict) and body.keys() == {plural}:
            bodies, bulk = body[plural], True
            if not isinstance(bodies, list) or not bodies:
                raise bad_request("Resources required")
        else:
            bodies, bulk = [_only(body, name)], False
        values = [accepted(self._resource, caller, one, "create") for one in bodies]
        records = await self._api.write(request, lambda replica, act: create(replica, act, values))
        attributes = self._resource.seen_by(caller)
        made = [self._api.shown(request, attributes, record) for record in records]
        return answer({plural: made} if bulk else {name: made[0]}, 201)

    async def update(self, request: Request) -> Response:
        """Change one."""
        caller = caller_of(request)
        values = accepted(self._resource, caller, _only(await body_of(request), self._resource.name), "update")
        name = request.path_params["id"]
        record = await self._api.write(request, lambda replica, act: self._update(replica, act, name, values))
        attributes = self._resource.seen_by(caller)
        return answer({self._resource.name: self._api.shown(request, attributes, record)})

    async def delete(self, request: Request) -> Response:
        """Let one go."""
        name = request.path_params["id"]
        await self._api.write(request, lambda replica, act: self._delete(replica, act, name))
        return Response(status_code=204)


def _only(body: Any, name: str) -> Any:  # noqa: ANN401  (they come from outside)
    """Return what a body has under the one name that it may have."""
    if not isinstance(body, dict):
        raise bad_request("Body contains invalid data: it is not an object")
    if name not in body:
        raise bad_request(f"Unable to find '{name}' in request body")
    if len(body) > 1:
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(sorted(body.keys() - {name}))}'")
    return body[name]
