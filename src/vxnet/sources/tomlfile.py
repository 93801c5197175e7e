# SPDX-License-Identifier: Apache-2.0
"""A TOML file as a typed value, or one line that says where it is wrong.

    bytes --1--> text --2--> tables --3--> keys all known --4--> a msgspec.Struct
          read        parse         known                 typed

Every failure is a ConfigError, ``FILE: FIELD: what is wrong with VALUE; the cure``. Fields are written as
``segments[1].vni``: lists are counted from 0.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from vxnet.errors import ConfigError
from vxnet.model import IPAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", bound=msgspec.Struct)

SHOWN = 60
"""How many characters of a value a message quotes: it is to stay one line."""


def load(path: str | Path, kind: type[T], examples: Mapping[str, str]) -> T:
    """Return the file at ``path`` as a ``kind``.

    ``examples`` holds, for the name of a key, a line that shows how it is written. Raises ConfigError.
    """
    try:
        text = read(Path(path))
        tables = parse(text)
        known(tables, kind)
        return typed(tables, kind, examples)
    except FaultError as fault:
        raise ConfigError(f"{path}: {fault}") from None


class FaultError(Exception):
    """What is wrong with the file whose name is not known here: ``FIELD: what`` or only ``what``."""

    def __init__(self, what: str, field: str = "") -> None:
        super().__init__(f"{field}: {what}" if field else what)


def quoted(value: object) -> str:
    """Return a value as a message shows it: one line, strings in quotes as in TOML, not too long."""
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python refuses to write numbers of more than 4300 digits
        return "a number of thousands of digits"
    text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def nearest(word: str, words: tuple[str, ...]) -> str:
    """Return what to write instead of ``word``: the word it resembles, or all there are."""
    near = difflib.get_close_matches(word.lower(), words, n=1)
    if near:
        return f"did you mean {quoted(near[0])}?"
    return f"there is {', '.join(quoted(each) for each in words[:8])}" if words else "there is none"


# --- 1. bytes to text -----------------------------------------------------------------------------------------------


def read(path: Path) -> str:
    """Return the file's text, without the byte order mark that some editors put in front."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FaultError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise FaultError(f"line {line}: is not UTF-8 text (byte 0x{error.object[error.start]:02x})") from None
    except ValueError:  # a zero byte in the file's name
        raise FaultError("cannot be read: no file can have this name") from None


# --- 2. text to tables ----------------------------------------------------------------------------------------------

_PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)
_UNQUOTED = re.compile(r"=\s*\w+[.:/]")


def parse(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise FaultError("is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise _broken(text, str(error)) from None
    except ValueError:
        raise FaultError("holds a number of thousands of digits") from None


def _broken(text: str, message: str) -> FaultError:
    place = _PLACE.fullmatch(message)
    what = _lower(place["what"] if place else message)
    lines = text.removesuffix("\n").split("\n")
    if place is None or place["line"] is None:
        return FaultError(f"is not TOML: {what}, at the end of the file", f"line {len(lines)}")
    line = int(place["line"])
    content = lines[line - 1].strip() if line <= len(lines) else ""
    cure = "; text and addresses stand in quotes" if _UNQUOTED.search(content) else ""
    return FaultError(f"is not TOML: {what}: {quoted(content)}{cure}", f"line {line}")


def _lower(sentence: str) -> str:
    return " ".join(f"{sentence[:1].lower()}{sentence[1:]}".split())


# --- 3. every key is known ------------------------------------------------------------------------------------------


def known(tables: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Raise FaultError for the first key, at any depth, that ``kind`` has no field for."""
    _known(tables, msgspec.inspect.type_info(kind), "")


def _known(value: object, kind: msgspec.inspect.Type, at: str) -> None:
    match kind:
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                _known(value, each, at)
        case msgspec.inspect.VarTupleType(item_type=item) if isinstance(value, list):
            for index, each in enumerate(value):
                _known(each, item, f"{at}[{index}]")
        case msgspec.inspect.StructType(fields=fields) if isinstance(value, dict):
            kinds = {field.encode_name: field.type for field in fields}
            for key, each in value.items():
                where = f"{at}.{key}" if at else key
                if key not in kinds:
                    where = where if re.fullmatch(r"[\w-]+", key) else f"{at or 'a key'}"
                    raise FaultError(f"unknown key {quoted(key)}; {nearest(key, tuple(kinds))}", where)
                _known(each, kinds[key], where)
        case _:
            pass


# --- 4. every value is of its type ----------------------------------------------------------------------------------

_MISMATCH = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]+)`")

NOUNS = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a date and time",
    "float": "a number with a fraction",
    "int": "a whole number",
    "object": "a table",
    "str": "a string",
    "time": "a time of day",
}
"""msgspec's names of types, in the words of TOML."""


def typed(tables: dict[str, Any], kind: type[T], examples: Mapping[str, str]) -> T:
    """Return the tables as a ``kind``; no key may be unknown any more."""
    try:
        return msgspec.convert(tables, kind, dec_hook=address)
    except msgspec.ValidationError as error:
        what, _, path = str(error).rpartition(" - at `$") if " - at `$" in str(error) else (str(error), "", "`")
        _explain(what, path.rstrip("`").lstrip("."), tables, examples)


def _explain(what: str, field: str, tables: dict[str, Any], examples: Mapping[str, str]) -> NoReturn:
    if missing := _MISSING.fullmatch(what):
        key = missing["key"]
        raise FaultError(f"is missing; write, for example, {examples[key]}", f"{field}.{key}" if field else key)
    mismatch = _MISMATCH.fullmatch(what)
    if mismatch is None:  # the words of `address`
        raise FaultError(what, field)
    wanted, got = mismatch["wanted"].removesuffix(" | null"), mismatch["got"]
    noun = " or ".join(NOUNS[each] for each in wanted.split(" | "))
    key = field.rpartition(".")[2].partition("[")[0]
    if (wanted, got) in {("array", "object"), ("object", "array")} and field == key:
        raise FaultError(f"is {NOUNS[got]}, not {noun}; write {examples[key]}", field)
    value = quoted(_at(field, tables))
    raise FaultError(f"{value} is not {noun}; write, for example, {examples[key]}", field)


def _at(field: str, tables: dict[str, Any]) -> object:
    value: Any = tables
    for step in re.findall(r"[^.\[\]]+", field):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def address(kind: type, value: object) -> IPAddress:
    """Return an address of the underlay; msgspec calls this for each IPAddress or IPv6Address (its ``dec_hook``).

    Raises ValueError, to which msgspec adds the field.
    """
    if kind not in {IPAddress, IPv6Address}:
        raise NotImplementedError(kind)
    what = "an IPv6 address" if kind is IPv6Address else "an IP address"
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} is not {what} in quotes")  # noqa: TRY004  (msgspec's contract)
    try:
        found = _parsed(value)
    except ValueError:
        cure = f"is not {what}; names are not looked up"
        if "/" in value:
            cure = "has a prefix length; write the address alone"
        raise ValueError(f"{quoted(value)} {cure}") from None
    if isinstance(found, IPv6Address) and found.scope_id:
        raise ValueError(f"{quoted(value)} names a device; write the address alone")
    if not isinstance(found, kind):
        raise ValueError(f"{quoted(value)} is not {what}")  # noqa: TRY004  (msgspec's contract)
    return found


@lru_cache(maxsize=4096)
def _parsed(value: str) -> IPv4Address | IPv6Address:
    """Return the address in a string: the same hosts stand in many segments."""
    return ip_address(value)
