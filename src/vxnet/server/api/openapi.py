# SPDX-License-Identifier: Apache-2.0
"""The API as an OpenAPI document, made of the tables that the server itself goes by.

Resource --> schemas: what is shown, what may be said to make one, and to change one
         --> paths:   /v2.0/networks   /v2.0/networks/{id}   /v2.0/networks/{id}/tags
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from vxnet import __version__
from vxnet.cluster.commands.quotas import RESOURCES
from vxnet.server.api.agents import AGENT
from vxnet.server.api.kinds import BOOLEAN, TAGS, Schema, array, record
from vxnet.server.api.networks import NETWORK
from vxnet.server.api.ports import PORT
from vxnet.server.api.quotas import LIMIT
from vxnet.server.api.subnets import SUBNET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.server.api.attributes import Attribute, Resource

_STRING: Final[Schema] = {"type": "string"}
_ERROR: Final[Schema] = {
    "type": "object",
    "properties": {"NeutronError": {"$ref": "#/components/schemas/Error"}},
    "required": ["NeutronError"],
}
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": _STRING}
_TAG: Final = {"name": "tag", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_PROJECT: Final = {"name": "project", "in": "path", "required": True, "schema": _STRING}
_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "revision_number=N: do it only if that is its revision number still.",
    "schema": {"type": "string", "pattern": "^revision_number=[0-9]{1,10}$"},
}


@cache
def document() -> dict[str, Any]:
    """Return the document. Not to be changed."""
    paths: dict[str, Any] = {
        "/": {"get": _operation("versions", "The versions.", _ok(_open("versions")), [])},
        "/v2.0": {
            "get": _operation("version", "The version and its resources.", _ok(_open("resources", "version")), [])
        },
        "/v2.0/extensions": {"get": _operation("list_extensions", "All extensions.", _ok(_open("extensions")), [])},
        "/v2.0/extensions/{alias}": {
            "get": _operation(
                "show_extension",
                "One extension.",
                _ok(_open("extension")),
                [{"name": "alias", "in": "path", "required": True, "schema": _STRING}],
            )
        },
    }
    for resource in (NETWORK, SUBNET, PORT, AGENT):
        paths |= _paths(resource)
    for resource in (NETWORK, SUBNET, PORT):
        paths |= _tag_paths(resource)
    return {
        "openapi": "3.1.0",
        "info": {"title": "vxnet: OpenStack Networking API v2.0", "version": __version__},
        "paths": paths | _quota_paths(),
        "components": {
            "schemas": {
                "Error": record(("type", "message", "detail"), type=_STRING, message=_STRING, detail=_STRING),
                **{resource.name: _shown(resource) for resource in (NETWORK, SUBNET, PORT, AGENT)},
            },
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            },
        },
        "security": [{"password": []}, {"token": []}],
    }


# ---- schemas ----


def _shown(resource: Resource) -> Schema:
    """Return what is to be seen. Who sees less, or asks for less, gets less."""
    parts = {a.name: a.kind.shown | {"description": a.about} for a in resource.attributes if a.show is not None}
    return {"type": "object", "properties": parts, "additionalProperties": False}


def _said(attributes: Sequence[Attribute], *, required: bool) -> Schema:
    parts = {a.name: {"allOf": [a.kind.schema], "description": a.about} for a in attributes}
    return record([a.name for a in attributes if a.required and required], **parts)


def _open(*names: str) -> Schema:
    return {"type": "object", "required": list(names)}


def _ref(resource: Resource) -> Schema:
    return {"$ref": f"#/components/schemas/{resource.name}"}


# ---- operations ----


def _operation(
    name: str, summary: str, good: dict[str, Any], parameters: list[dict[str, Any]], body: Schema | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": good | {status: {"description": what, "content": _json(_ERROR)} for status, what in _BAD.items()},
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": _json(body)}
    return found


_BAD: Final = {
    "400": "What is asked for makes no sense.",
    "401": "Nobody we know asks.",
    "403": "Who asks may not.",
    "404": "It is not there, or another project's.",
    "405": "There is no such method here.",
    "409": "It is taken, in use, or the quota is reached.",
    "412": "It has another revision number by now.",
    "413": "The body is too long.",
    "415": "The body is no JSON.",
    "503": "The store is away, or the VNI ranges are exhausted.",
}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ok(schema: Schema, status: str = "200") -> dict[str, Any]:
    return {status: {"description": "Done.", "content": _json(schema)}}


def _nothing(status: str = "204") -> dict[str, Any]:
    return {status: {"description": "Done."}}


def _paths(resource: Resource) -> dict[str, Any]:
    name, plural = resource.name, resource.plural
    one = _ok(record((name,), **{name: _ref(resource)}))
    links = {"type": "array", "items": record(("rel", "href"), rel=_STRING, href=_STRING)}
    many = record((plural,), **{plural: {"type": "array", "items": _ref(resource)}, f"{plural}_links": links})
    fields = _repeated("fields", "Show only these attributes.")
    posted = [a for a in resource.attributes if a.post]
    put = _said([a for a in resource.attributes if a.put], required=False)
    collection = {"get": _operation(f"list_{plural}", f"All {plural}, or some.", _ok(many), _list_parameters(resource))}
    if posted:
        new = _said(posted, required=True)
        both = {
            "anyOf": [
                record((name,), **{name: new}),
                record((plural,), **{plural: {"type": "array", "items": new, "minItems": 1}}),
            ]
        }
        made = record((), **{name: _ref(resource), plural: {"type": "array", "items": _ref(resource)}})
        collection["post"] = _operation(f"create_{name}", f"Make a {name}, or several.", _ok(made, "201"), [], both)
    body = record((name,), **{name: put})
    return {
        f"/v2.0/{plural}": collection,
        f"/v2.0/{plural}/{{id}}": {
            "get": _operation(f"show_{name}", f"One {name}.", one, [_ID, fields]),
            "put": _operation(f"update_{name}", f"Change a {name}.", one, [_ID, _MATCH], body),
            "delete": _operation(f"delete_{name}", f"Let a {name} go.", _nothing(), [_ID, _MATCH]),
        },
    }


def _list_parameters(resource: Resource) -> list[dict[str, Any]]:
    names = [a.name for a in resource.attributes if a.filter] + list(resource.tests)
    keys = [a.name for a in resource.attributes if a.sort]
    return [
        *(_repeated(name, f"Only those whose {name} is one of these.") for name in names),
        _repeated("fields", "Show only these attributes."),
        _repeated("sort_key", "Sort by these, in this order, and then by id.", {"type": "string", "enum": keys}),
        _repeated("sort_dir", "As many as sort_key, or none.", {"type": "string", "enum": ["asc", "desc"]}),
        _once("limit", "As many at the most; 0: all.", {"type": "integer", "minimum": 0, "maximum": 999_999_999}),
        _once("marker", "Those after the one with this id.", _STRING),
        _once("page_reverse", "Those before the marker.", BOOLEAN.schema),
    ]


def _repeated(name: str, about: str, items: Schema = _STRING) -> dict[str, Any]:
    return _once(name, about, {"type": "array", "items": items}) | {"style": "form", "explode": True}


def _once(name: str, about: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _tag_paths(resource: Resource) -> dict[str, Any]:
    name = resource.name
    path = f"/v2.0/{resource.plural}/{{id}}/tags"
    shown = record(("tags",), tags=TAGS.shown)
    said = record(("tags",), tags=TAGS.schema)
    return {
        path: {
            "get": _operation(f"list_{name}_tags", f"A {name}'s tags.", _ok(shown), [_ID]),
            "put": _operation(f"replace_{name}_tags", "These and no others.", _ok(shown), [_ID, _MATCH], said),
            "post": _operation(f"add_{name}_tags", "These too.", _ok(shown, "201"), [_ID], said),
            "delete": _operation(f"clear_{name}_tags", "None.", _nothing(), [_ID, _MATCH]),
        },
        path + "/{tag}": {
            "get": _operation(f"check_{name}_tag", "Whether it has a tag.", _nothing(), [_ID, _TAG]),
            "put": _operation(f"add_{name}_tag", "Give it a tag.", _nothing("201"), [_ID, _TAG, _MATCH]),
            "delete": _operation(f"remove_{name}_tag", "Take a tag from it.", _nothing(), [_ID, _TAG, _MATCH]),
        },
    }


def _quota_paths() -> dict[str, Any]:
    limits = dict.fromkeys(RESOURCES, LIMIT.shown)
    one = _ok(record(("quota",), quota=record(RESOURCES, **limits)))
    of_project = record((), project_id=_STRING, tenant_id=_STRING, **limits)
    count = record(("limit", "used", "reserved"), limit=LIMIT.shown, used=LIMIT.shown, reserved=LIMIT.shown)
    use = record(("quota",), quota=record(RESOURCES, **dict.fromkeys(RESOURCES, count)))
    said = record((), check_limit=BOOLEAN.schema, force=BOOLEAN.schema, **dict.fromkeys(RESOURCES, LIMIT.schema))
    path = "/v2.0/quotas/{project}"
    many = record(("quotas",), quotas=array(of_project, list).shown)
    return {
        "/v2.0/quotas": {"get": _operation("list_quotas", "Quotas of projects that have their own.", _ok(many), [])},
        path: {
            "get": _operation("show_quota", "How much a project may have.", one, [_PROJECT]),
            "put": _operation("update_quota", "Give it a quota.", one, [_PROJECT], record(("quota",), quota=said)),
            "delete": _operation("delete_quota", "Let it have what all have.", _nothing(), [_PROJECT]),
        },
        path + "/default": {"get": _operation("default_quota", "What all have.", one, [_PROJECT])},
        path + "/details": {"get": _operation("quota_details", "And how much is used.", _ok(use), [_PROJECT])},
    }
