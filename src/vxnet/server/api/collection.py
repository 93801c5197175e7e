# SPDX-License-Identifier: Apache-2.0
"""One collection over HTTP: list, show, create (one or many), update, delete; the same for networks, subnets and ports.

GET  /v2.0/ports?...   200     GET /v2.0/ports/ID     200
POST /v2.0/ports       201     PUT /v2.0/ports/ID     200     DELETE /v2.0/ports/ID     204
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from vxnet.cluster.caller import Caller
from vxnet.cluster.commands.access import Context, found, sees
from vxnet.cluster.commands.errors import InvalidInput, RequestTooLarge
from vxnet.cluster.replica import Replica
from vxnet.cluster.writing import Decision
from vxnet.server.api import query as queries
from vxnet.server.api.accept import accept
from vxnet.server.api.answers import answer
from vxnet.server.api.request import context_of, object_of_request
from vxnet.server.api.routing import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.requests import Request
    from starlette.routing import Route

    from vxnet.cluster.replica import Table
    from vxnet.cluster.writing import Cluster
    from vxnet.server.api.accept import Resource
    from vxnet.server.api.discovery import Discovery
    from vxnet.server.settings import Settings

Values = dict[str, Any]

_SPREAD = 16
"""Among how many addresses to choose once another server has been faster."""


class Verbs(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done to a kind of resource; ``spread`` is more than 1 when it is decided anew."""

    create: Callable[[Replica, Context, Sequence[Values], int], Decision[list[Any]]]
    update: Callable[[Replica, Context, str, Values, int], Decision[Any]]
    delete: Callable[[Replica, Context, str], Decision[None]]
    view: Callable[[Replica, Any, Caller], Values]


class Collection:
    """The routes of one kind of resource."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        discovery: Discovery,
        *,
        table: Resource,
        kind: type[Any],
        verbs: Verbs,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._discovery = discovery
        self._table = table
        self._kind = kind
        self._verbs = verbs

    def routes(self) -> list[Route]:
        """Return where it is found."""
        path = f"/v2.0/{self._table.collection}"
        return [
            at(path, GET=self.list, POST=self.create),
            at(f"{path}/{{id}}", GET=self.show, PUT=self.update, DELETE=self.delete),
        ]

    # ---- reading ----

    async def list(self, request: Request) -> Response:
        """Answer those that are asked for and that the caller sees."""
        query = queries.parse(request.query_params, self._table, self._settings.max_page)
        replica = await self._cluster.fresh()
        caller: Caller = request.state.caller
        records = (record for record in self._candidates(replica, query) if sees(replica, caller, record))
        views = (self._verbs.view(replica, record, caller) for record in records)
        page = queries.page(query, queries.ordered(query, [view for view in views if queries.fits(query, view)]))
        body: dict[str, Any] = {self._table.collection: [queries.cut(query, view) for view in page.views]}
        if query.limit:
            body[f"{self._table.collection}_links"] = self._links(request, page)
        return answer(body)

    def _candidates(self, replica: Replica, query: queries.Query) -> Iterable[Any]:
        """Return the records of the index that helps most, or all."""
        table: Table[Any] = getattr(replica, self._table.collection)
        if names := query.filters.get("id"):
            return filter(None, map(table.get, dict.fromkeys(names)))
        for name in ("binding:host_id", "device_id", "name", "network_id", "project_id", "tenant_id"):
            field = {"tenant_id": "project_id"}.get(name, name.replace(":", "_"))
            if name in query.filters and field in table.indexed:
                values = dict.fromkeys(query.filters[name])
                return (record for value in values for record in table.where(field, value))
        return table

    def _links(self, request: Request, page: queries.Page) -> Sequence[dict[str, str]]:
        """Return where the pages around this one are."""
        base = f"{self._discovery.base(request)}{request.url.path}"
        others = [(k, v) for k, v in request.query_params.multi_items() if k not in {"marker", "page_reverse"}]

        def link(rel: str, *more: tuple[str, str]) -> dict[str, str]:
            return {"rel": rel, "href": f"{base}?{urlencode([*others, *more])}"}

        after = [link("next", ("marker", page.after))] if page.after else []
        before = [link("previous", ("marker", page.before), ("page_reverse", "True"))] if page.before else []
        return after + before

    async def show(self, request: Request) -> Response:
        """Answer one."""
        replica = await self._cluster.fresh()
        context = context_of(request)
        record = found(replica, context, self._kind, request.path_params["id"])
        query = queries.parse(request.query_params, self._table, -1)
        return answer({self._table.name: queries.cut(query, self._verbs.view(replica, record, context.caller))})

    # ---- writing ----

    async def create(self, request: Request) -> Response:
        """Create one or many, all or none."""
        body = await object_of_request(request, self._table.name, self._table.collection)
        context = context_of(request)
        many = self._table.collection in body
        said = body[self._table.collection] if many else [body[self._table.name]]
        if not isinstance(said, list) or not said:
            raise InvalidInput(f"{self._table.collection}: is no list with {self._table.collection} in it")
        asked = [accept(self._table, one, context.caller, "POST") for one in said]
        attempts = _attempts()

        def decide(replica: Replica) -> Decision[list[Any]]:
            decision = self._verbs.create(replica, context, asked, next(attempts))
            most = self._cluster.store.most_writes
            if decision.transaction and decision.transaction.size > most:
                raise RequestTooLarge(
                    f"{len(asked)} {self._table.collection} take {decision.transaction.size} writes at once, and the "
                    f"store can make {most}; ask for fewer at a time"
                )
            return decision

        records = await self._cluster.write(decide)
        views = [self._verbs.view(self._cluster.replica, record, context.caller) for record in records]
        return answer({self._table.collection: views} if many else {self._table.name: views[0]}, 201)

    async def update(self, request: Request) -> Response:
        """Change what is said, and nothing else."""
        body = await object_of_request(request, self._table.name)
        context = context_of(request)
        values = accept(self._table, body[self._table.name], context.caller, "PUT")
        name, attempts = request.path_params["id"], _attempts()
        record = await self._cluster.write(
            lambda replica: self._verbs.update(replica, context, name, values, next(attempts))
        )
        return answer({self._table.name: self._verbs.view(self._cluster.replica, record, context.caller)})

    async def delete(self, request: Request) -> Response:
        """Delete one."""
        context, name = context_of(request), request.path_params["id"]
        await self._cluster.write(lambda replica: self._verbs.delete(replica, context, name))
        return Response(status_code=204)


def _attempts() -> Iterator[int]:
    """Yield 1 for the first attempt; for others, among how many to choose."""
    yield 1
    while True:
        yield _SPREAD
