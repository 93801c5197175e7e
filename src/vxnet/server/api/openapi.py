# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document at /openapi.json, made of the tables that requests are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet import __version__
from vxnet.server.api.agents import AGENTS
from vxnet.server.api.networks import NETWORKS
from vxnet.server.api.ports import PORTS
from vxnet.server.api.quotas import QUOTAS
from vxnet.server.api.subnets import SUBNETS

if TYPE_CHECKING:
    from vxnet.server.api.accept import Attribute, Resource

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_ERROR: Json = {
    "description": "an error, as Neutron tells it",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["NeutronError"],
                "properties": {
                    "NeutronError": {
                        "type": "object",
                        "required": ["type", "message", "detail"],
                        "properties": {"type": _TEXT, "message": _TEXT, "detail": _TEXT},
                    }
                },
            }
        }
    },
}
_REFUSALS = ("400", "401", "403", "404", "409", "412", "413", "503")


def document() -> Json:
    """Return it."""
    paths: Json = {}
    for table in (NETWORKS, SUBNETS, PORTS):
        paths |= _collection(table) | _tags(table)
    paths |= _agents() | _quotas() | _documents()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vxnet: OpenStack Networking API v2.0",
            "version": __version__,
            "description": "The part of it that vxnet serves; docs/api.md says what differs from Neutron.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            }
        },
        "security": [{"basic": []}, {"token": []}],
    }


def _collection(table: Resource) -> Json:
    path = f"/v2.0/{table.collection}"
    post, put, shown = _request(table, post=True), _request(table, post=False), _shown(table)
    created = {
        "oneOf": [
            _object({table.name: post}, [table.name]),
            _object({table.collection: {"type": "array", "items": post, "minItems": 1}}, [table.collection]),
        ]
    }
    return {
        path: {
            "get": _operation(
                f"List {table.collection}",
                {"200": _content(_loose({table.collection: {"type": "array", "items": shown}}))},
                parameters=_list_parameters(table),
            ),
            "post": _operation(
                f"Create one of the {table.collection}, or several, all or none",
                {"201": _content(_loose({table.name: shown, table.collection: {"type": "array", "items": shown}}))},
                body=created,
            ),
        },
        f"{path}/{{id}}": {
            "parameters": [_path("id")],
            "get": _operation(f"Show a {table.name}", {"200": _content(_loose({table.name: shown}))}),
            "put": _operation(
                f"Change a {table.name}",
                {"200": _content(_loose({table.name: shown}))},
                body=_object({table.name: put}, [table.name]),
                parameters=[_if_match()],
            ),
            "delete": _operation(f"Delete a {table.name}", {"204": {"description": "done"}}, parameters=[_if_match()]),
        },
    }


def _tags(table: Resource) -> Json:
    path = f"/v2.0/{table.collection}/{{id}}/tags"
    tag: Json = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,\0]+$"}
    tags = _object({"tags": {"type": "array", "items": tag, "maxItems": 50}}, ["tags"])
    done = {"description": "done"}
    return {
        path: {
            "parameters": [_path("id")],
            "get": _operation(f"The tags of a {table.name}", {"200": _content(tags)}),
            "put": _operation(f"Replace the tags of a {table.name}", {"200": _content(tags)}, body=tags),
            "delete": _operation(f"Remove the tags of a {table.name}", {"204": done}),
        },
        f"{path}/{{tag}}": {
            "parameters": [_path("id"), _path("tag")],
            "get": _operation(f"Whether a {table.name} has a tag", {"204": done}),
            "put": _operation(f"Add a tag to a {table.name}", {"201": {"description": "it has it"}}),
            "delete": _operation(f"Remove a tag of a {table.name}", {"204": done}),
        },
    }


def _agents() -> Json:
    shown = _shown(AGENTS)
    body = _object({"agent": _request(AGENTS, post=False)}, ["agent"])
    return {
        "/v2.0/agents": {
            "get": _operation(
                "List the hosts' agents",
                {"200": _content(_loose({"agents": {"type": "array", "items": shown}}))},
                parameters=_list_parameters(AGENTS),
            )
        },
        "/v2.0/agents/{id}": {
            "parameters": [_path("id")],
            "get": _operation("Show an agent", {"200": _content(_loose({"agent": shown}))}),
            "put": _operation("Describe an agent", {"200": _content(_loose({"agent": shown}))}, body=body),
            "delete": _operation("Forget an agent that has gone", {"204": {"description": "done"}}),
        },
    }


def _quotas() -> Json:
    quota = _content(_loose({"quota": {"type": "object"}}))
    body = _object({"quota": _request(QUOTAS, post=False)}, ["quota"])
    project = [_path("project")]
    return {
        "/v2.0/quotas": {
            "get": _operation(
                "Projects with quotas of their own", {"200": _content(_loose({"quotas": {"type": "array"}}))}
            )
        },
        "/v2.0/quotas/{project}": {
            "parameters": project,
            "get": _operation("What a project may have", {"200": quota}),
            "put": _operation("Give a project other limits", {"200": quota}, body=body),
            "delete": _operation("Give a project the defaults again", {"204": {"description": "done"}}),
        },
        "/v2.0/quotas/{project}/default": {
            "parameters": project,
            "get": _operation("The defaults", {"200": quota}),
        },
        "/v2.0/quotas/{project}/details.json": {
            "parameters": project,
            "get": _operation("What a project may have, and has", {"200": quota}),
        },
    }


def _documents() -> Json:
    anything = _content({"type": "object"})
    return {
        "/": {"get": _operation("Which versions there are", {"200": anything}) | {"security": []}},
        "/v2.0/": {"get": _operation("Which collections there are", {"200": anything})},
        "/v2.0/extensions": {"get": _operation("Which extensions there are", {"200": anything})},
        "/v2.0/extensions/{alias}": {
            "parameters": [_path("alias")],
            "get": _operation("One of them", {"200": anything}),
        },
    }


def _request(table: Resource, *, post: bool) -> Json:
    """Return what may be said of a resource."""
    settable = {
        name: attribute.kind.schema
        for name, attribute in table.attributes.items()
        if attribute.kind and (post or attribute.put)
    }
    required = [name for name, attribute in table.attributes.items() if attribute.required and post]
    return _object(settable, required)


def _shown(table: Resource) -> Json:
    """Return what an answer says of a resource: all of it, or the fields that were asked for."""
    return _loose({name: _answered(attribute) for name, attribute in table.attributes.items()})


def _answered(attribute: Attribute) -> Json:
    return attribute.kind.schema if attribute.kind else attribute.schema


def _object(properties: Json, required: list[str]) -> Json:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _loose(properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _content(schema: Json) -> Json:
    return {"description": "done", "content": {"application/json": {"schema": schema}}}


def _operation(summary: str, answers: Json, *, body: Json | None = None, parameters: list[Json] | None = None) -> Json:
    operation: Json = {"summary": summary, "responses": answers | dict.fromkeys(_REFUSALS, _ERROR)}
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _if_match() -> Json:
    schema = {"type": "string", "pattern": "^revision_number=[0-9]{1,18}$"}
    return {"name": "If-Match", "in": "header", "required": False, "schema": schema}


def _list_parameters(table: Resource) -> list[Json]:
    names = sorted(table.attributes)
    return [
        # Names of attributes; clients name some that are not here, too, and do without them.
        {"name": "fields", "in": "query", "schema": {"type": "array", "items": _TEXT}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 0}},
        *({"name": name, "in": "query", "schema": _TEXT} for name in names),
    ]
