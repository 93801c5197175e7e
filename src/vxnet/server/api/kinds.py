# SPDX-License-Identifier: Apache-2.0
"""The types of attributes: how a value comes in, from JSON or from the text of a filter, and what it is in OpenAPI.

Clients send numbers and truth values as strings, too: those are taken as what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vxnet.packet.mac import ZERO, is_group, parse_mac

if TYPE_CHECKING:
    from collections.abc import Sequence

Schema = dict[str, Any]

_DIGITS = re.compile(r"[0-9]{1,10}")
_SIGNED = re.compile(r"-?[0-9]{1,10}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BARE_MAC = re.compile(r"[0-9a-fA-F]{12}")

_TRUE: Final = (True, "true", "True", "TRUE", "1")
_FALSE: Final = (False, "false", "False", "FALSE", "0")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """``convert`` takes what JSON gives, and raises a ValueError with the reason. ``of_text``: what a filter gives.

    ``schema`` describes what may come in, ``shown`` what goes out.
    """

    convert: Callable[[Any], Any]
    schema: Schema
    shown: Schema
    of_text: Callable[[str], Any] = str


def _boolean(value: Any) -> bool:  # noqa: ANN401  (it comes from outside)
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"'{value}' cannot be converted to boolean")


def _never(value: Any, why: str) -> bool:  # noqa: ANN401
    if _boolean(value):
        raise ValueError(why)
    return False


def _integer(value: Any, least: int, most: int) -> int:  # noqa: ANN401
    if isinstance(value, str) and _SIGNED.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"'{value}' is not an integer")  # noqa: TRY004  (the value is wrong, not our types)
    if not least <= value <= most:
        raise ValueError(f"{value} is not in the range {least} to {most}")
    return value


def _text(value: Any, longest: int, shortest: int = 0) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise ValueError(f"'{value}' is not a valid string")  # noqa: TRY004
    if len(value) < shortest:
        raise ValueError("it is empty")
    if len(value) > longest:
        raise ValueError(f"it is longer than {longest} characters")
    if "\0" in value:
        raise ValueError("it has a character that ends texts (NUL)")
    return value


def _choice(value: Any, choices: Sequence[str]) -> str:  # noqa: ANN401
    if value not in choices or not isinstance(value, str):
        raise ValueError(f"'{value}' is not in {list(choices)}")
    return value


def _uuid(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError(f"'{value}' is not a valid UUID")
    return value.lower()


def _or_none(convert: Callable[[Any], Any], value: Any) -> Any:  # noqa: ANN401
    return None if value is None else convert(value)


def address(value: Any) -> str:  # noqa: ANN401
    """Return an address as a canonical text."""
    if not isinstance(value, str) or "%" in value:
        raise ValueError(f"'{value}' is not a valid IP address")
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP address") from None


def cidr(value: Any) -> str:  # noqa: ANN401
    """Return a prefix as a canonical text: bits of hosts become zero, as in Neutron."""
    if not isinstance(value, str) or "%" in value:
        raise ValueError(f"'{value}' is not a valid IP subnet")
    _, slash, length = value.partition("/")
    if not slash or not _DIGITS.fullmatch(length):
        raise ValueError(f"'{value}' isn't a recognized IP subnet cidr: it has no prefix length")
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP subnet") from None


def mac(value: Any) -> str:  # noqa: ANN401
    """Return the MAC of one machine as ``aa:bb:cc:dd:ee:ff``; it may come with ``-`` or bare."""
    text = value.replace("-", ":") if isinstance(value, str) else ""
    if _BARE_MAC.fullmatch(text):
        text = ":".join(text[at : at + 2] for at in range(0, 12, 2))
    try:
        canonical = parse_mac(text).hex(":")
    except ValueError:
        raise ValueError(f"'{value}' is not a valid MAC address") from None
    if is_group(canonical) or canonical == ZERO:
        raise ValueError(f"'{value}' is not the MAC address of one machine")
    return canonical


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not a dictionary")  # noqa: TRY004
    if len(msgspec.json.encode(value)) > _MOST_PROFILE:
        raise ValueError(f"it is longer than {_MOST_PROFILE} bytes of JSON")
    return value


_MOST_PROFILE = 4095


def _nothing(value: Any, why: str) -> None:  # noqa: ANN401
    if value not in (None, ""):
        raise ValueError(why)


def _empty(value: Any, why: str) -> tuple[()]:  # noqa: ANN401
    if value is not None and value != []:
        raise ValueError(why)
    return ()


def listed(value: Any, convert: Callable[[Any], Any], *, longest: int = 1000) -> tuple[Any, ...]:  # noqa: ANN401
    """Return a list's values converted; null is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"'{value}' is not a list")  # noqa: TRY004
    if len(value) > longest:
        raise ValueError(f"it has more than {longest} entries")
    return tuple(convert(one) for one in value)


def unique(value: Any, convert: Callable[[Any], Any], *, longest: int) -> tuple[Any, ...]:  # noqa: ANN401
    """Return a list's values converted, if each is there once."""
    values = listed(value, convert, longest=longest)
    if len(set(values)) < len(values):
        raise ValueError(f"there are duplicates in '{value}'")
    return values


def entry(value: Any, **parts: Callable[[Any], Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return an object's values converted, by name; others than ``parts`` it may not have."""
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not a dictionary")  # noqa: TRY004
    if strange := value.keys() - parts.keys():
        raise ValueError(f"'{', '.join(sorted(strange))}' is not known; known are {', '.join(sorted(parts))}")
    return {name: parts[name](value[name]) for name in value}


def whole_entry(value: Any, **parts: Callable[[Any], Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return what `entry` does, if nothing is missing."""
    found = entry(value, **parts)
    if missing := parts.keys() - found.keys():
        raise ValueError(f"'{', '.join(sorted(missing))}' is missing in '{value}'")
    return found


# ---- the kinds ----

_STRING: Schema = {"type": "string"}
_NULL: Schema = {"type": "null"}


def text(longest: int = 255, shortest: int = 0) -> Kind:
    """Return the kind of texts of so many characters."""
    schema = {"type": "string", "maxLength": longest} | ({"minLength": shortest} if shortest else {})
    return Kind(convert=partial(_text, longest=longest, shortest=shortest), schema=schema, shown=_STRING)


def number(least: int, most: int) -> Kind:
    """Return the kind of numbers from ``least`` to ``most``."""
    schema = {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, _TEXT_NUMBER]}
    convert = partial(_integer, least=least, most=most)
    any_number = partial(_integer, least=-(2**63), most=2**63)  # a filter may ask for what nothing can have
    return Kind(convert=convert, schema=schema, shown={"type": "integer"}, of_text=any_number)


_TEXT_NUMBER: Schema = {"type": "string", "pattern": "^-?[0-9]{1,10}$"}


def choice(*choices: str) -> Kind:
    """Return the kind of texts that are one of a few."""
    schema = {"type": "string", "enum": list(choices)}
    return Kind(convert=partial(_choice, choices=choices), schema=schema, shown=schema)


def or_none(kind: Kind) -> Kind:
    """Return the kind of values of another kind, or null; a filter asks for null by an empty text."""
    return Kind(
        convert=partial(_or_none, kind.convert),
        schema={"anyOf": [kind.schema, _NULL]},
        shown={"anyOf": [kind.shown, _NULL]},
        of_text=lambda text: kind.of_text(text) if text else None,
    )


def nothing(why: str) -> Kind:
    """Return the kind of what there is not: it may be null or empty; else the error is ``why``."""
    schema = {"enum": [None, ""]}
    return Kind(convert=partial(_nothing, why=why), schema=schema, shown=schema)


def never(why: str) -> Kind:
    """Return the kind of truth values that are false; else the error is ``why``."""
    schema = {"enum": [0, *_FALSE]}
    return Kind(convert=partial(_never, why=why), schema=schema, shown={"const": False}, of_text=_boolean)


def no_list(why: str) -> Kind:
    """Return the kind of lists that are empty; else the error is ``why``."""
    schema = {"anyOf": [{"type": "array", "maxItems": 0}, _NULL]}
    return Kind(convert=partial(_empty, why=why), schema=schema, shown={"type": "array", "maxItems": 0})


def array(items: Schema, convert: Callable[[Any], Any], shown: Schema | None = None) -> Kind:
    """Return the kind of lists; null is an empty one."""
    return Kind(
        convert=convert,
        schema={"anyOf": [{"type": "array", "items": items}, _NULL]},
        shown={"type": "array", "items": shown or items},
    )


def record(required: Sequence[str] = (), **parts: Schema) -> Schema:
    """Return the schema of an object with these parts, and no others."""
    return {"type": "object", "properties": parts, "required": list(required), "additionalProperties": False}


BOOLEAN: Final = Kind(
    convert=_boolean,
    schema={"anyOf": [{"type": "boolean"}, {"enum": [1, 0, *_TRUE[1:], *_FALSE[1:]]}]},
    shown={"type": "boolean"},
    of_text=_boolean,
)
NAME: Final = text()
UUID: Final = Kind(convert=_uuid, schema={"type": "string", "format": "uuid"}, shown={"type": "string"})
ADDRESS: Final = Kind(convert=address, schema=_STRING, shown=_STRING, of_text=address)
CIDR: Final = Kind(convert=cidr, schema=_STRING, shown=_STRING, of_text=cidr)
MAC: Final = Kind(convert=mac, schema=_STRING, shown=_STRING, of_text=mac)
OBJECT: Final = Kind(convert=_object, schema={"anyOf": [{"type": "object"}, _NULL]}, shown={"type": "object"})
TIME: Final = Kind(convert=partial(_text, longest=40), schema=_STRING, shown={"type": "string", "format": "date-time"})
TAG: Final = text(shortest=1)


def texts(item: Kind) -> Kind:
    """Return the kind of lists of texts that are all different."""
    return Kind(
        convert=partial(unique, convert=item.convert, longest=1000),
        schema={"type": "array", "items": item.schema},
        shown={"type": "array", "items": _STRING},
    )


TEXTS: Final = texts(NAME)
TAGS: Final = texts(TAG)
