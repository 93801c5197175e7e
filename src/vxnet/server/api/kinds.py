# SPDX-License-Identifier: Apache-2.0
"""Kinds of values in requests: each takes what clients send, numbers as strings too, and gives what records hold.

A kind is a JSON schema, for the OpenAPI document, and a function that converts; UnfitError says what is wrong.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

Json = Any
"""What JSON decodes to."""


class UnfitError(Exception):
    """A value that is not of the kind; says which, and of which kind."""


class Kind(msgspec.Struct, frozen=True):
    """``schema`` describes what is taken, ``convert`` takes it."""

    schema: dict[str, Json]
    convert: Callable[[Json], Any]


def _text(most: int) -> Kind:
    def convert(value: Json) -> str:
        if not isinstance(value, str):
            raise UnfitError(f"{_quoted(value)} is not a text")
        if len(value) > most:
            raise UnfitError(f"a text of {len(value)} characters; there may be {most}")
        if "\0" in value:
            raise UnfitError("a text with a NUL character")
        return value

    return Kind({"type": "string", "maxLength": most}, convert)


NAME, DESCRIPTION = _text(255), _text(255)
PROJECT = _text(255)


def _to_flag(value: Json) -> bool:
    match value:
        case bool():
            return value
        case int() if value in {0, 1}:
            return bool(value)
        case str() if value.lower() in {"true", "1", "yes", "on"}:
            return True
        case str() if value.lower() in {"false", "0", "no", "off"}:
            return False
    raise UnfitError(f"{_quoted(value)} is neither true nor false")


FLAG = Kind({"type": "boolean"}, _to_flag)


def number(least: int, most: int) -> Kind:
    """Return whole numbers from ``least`` to ``most``, which may come as texts."""

    def convert(value: Json) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one kind of numbers
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnfitError(f"{_quoted(value)} is not a whole number")
        if not least <= value <= most:
            raise UnfitError(f"{value} is not from {least} to {most}")
        return value

    return Kind({"type": "integer", "minimum": least, "maximum": most}, convert)


def _to_id(value: Json) -> str:
    try:
        return str(uuid.UUID(_string(value)))
    except ValueError:
        raise UnfitError(f"{_quoted(value)} is not an id (a UUID)") from None


ID = Kind({"type": "string", "format": "uuid"}, _to_id)


def _to_mac(value: Json) -> str:
    text = _string(value).lower().replace("-", ":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise UnfitError(f"{_quoted(value)} is not a MAC address")
    if int(text[:2], 16) & 1 or not text.strip("0:"):
        raise UnfitError(f"{text} is no machine's MAC address: it is a group's, or zero")
    return text


MAC = Kind({"type": "string", "pattern": "^[0-9A-Fa-f][02468ACEace]([:-][0-9A-Fa-f]{2}){5}$"}, _to_mac)


def _to_address(value: Json) -> str:
    try:
        address = ip_address(_string(value))
    except ValueError:
        raise UnfitError(f"{_quoted(value)} is not an IP address") from None
    if "%" in str(address):
        raise UnfitError(f"{address}: an address with a zone means nothing here")
    return str(address)


ADDRESS = Kind({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}, _to_address)


def _to_prefix(value: Json) -> str:
    """Return the prefix without host bits, as Neutron takes them."""
    text = _string(value)
    try:
        return str(ip_network(text if "/" in text else "", strict=False))
    except ValueError:
        raise UnfitError(f"{_quoted(value)} is not a prefix (ADDRESS/LENGTH)") from None


PREFIX = Kind({"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"}, _to_prefix)


def _to_address_or_prefix(value: Json) -> str:
    return _to_prefix(value) if "/" in _string(value) else _to_address(value)


ADDRESS_OR_PREFIX = Kind({"type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"}, _to_address_or_prefix)


def one_of(*words: str) -> Kind:
    """Return these words."""

    def convert(value: Json) -> str:
        if not isinstance(value, str) or value not in words:
            raise UnfitError(f"{_quoted(value)} is none of {', '.join(words)}")
        return value

    return Kind({"type": "string", "enum": list(words)}, convert)


def or_none(kind: Kind) -> Kind:
    """Return what ``kind`` takes, and null."""
    return Kind(
        {"oneOf": [kind.schema, {"type": "null"}]},
        lambda value: None if value is None else kind.convert(value),
    )


def list_of(kind: Kind, most: int) -> Kind:
    """Return lists, which become tuples."""

    def convert(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise UnfitError(f"{_quoted(value)} is not a list")
        if len(value) > most:
            raise UnfitError(f"a list of {len(value)}; there may be {most}")
        return tuple(map(kind.convert, value))

    return Kind({"type": "array", "items": kind.schema, "maxItems": most}, convert)


def object_of(make: Callable[..., Any], required: dict[str, Kind], optional: dict[str, Kind] | None = None) -> Kind:
    """Return objects with these fields, given to ``make`` by their names."""
    kinds = required | (optional or {})

    def convert(value: Json) -> Any:  # noqa: ANN401  (what make returns)
        if not isinstance(value, dict):
            raise UnfitError(f"{_quoted(value)} is not an object")
        if unknown := value.keys() - kinds.keys():
            raise UnfitError(f"{_quoted(min(unknown))} is not known in {_quoted(value)}")
        if missing := required.keys() - value.keys():
            raise UnfitError(f"{_quoted(value)} has no {min(missing)}")
        return make(**{name: kinds[name].convert(content) for name, content in value.items()})

    schema = {
        "type": "object",
        "properties": {name: kind.schema for name, kind in kinds.items()},
        "required": sorted(required),
        "additionalProperties": False,
    }
    return Kind(schema, convert)


def _to_object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UnfitError(f"{_quoted(value)} is not an object")
    if len(msgspec.json.encode(value)) > _LARGEST_OBJECT:
        raise UnfitError(f"an object of more than {_LARGEST_OBJECT} bytes")
    return value


_LARGEST_OBJECT = 4095
OBJECT = Kind({"type": "object"}, _to_object)


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _quoted(value: Json) -> str:
    """Return a value as an error shows it, not too long."""
    text = msgspec.json.encode(value).decode(errors="replace")
    return text if len(text) < _LONG else f"{text[:_LONG]}..."


_LONG = 80
