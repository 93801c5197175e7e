# SPDX-License-Identifier: Apache-2.0
"""The type information (BTF) that clang leaves in the eBPF object: what the C structures really look like in memory."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

_POINTER = 8


class Field(msgspec.Struct, frozen=True):
    """One member of a structure; ``offset`` and ``size`` are in bytes."""

    name: str
    offset: int
    size: int


class Btf:
    """All types of one object."""

    def __init__(self, path: Path) -> None:
        """Let bpftool read the object at ``path``."""
        command = ("bpftool", "--json", "btf", "dump", "file", str(path))
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        types: list[dict[str, Any]] = json.loads(done.stdout)["types"]
        self._types = {each["id"]: each for each in types}
        self._structs = {each["name"]: each for each in types if each["kind"] == "STRUCT"}

    def fields(self, struct: str) -> tuple[Field, ...]:
        """Return the members of ``struct NAME``, in their order."""
        members = self._structs[struct]["members"]
        return tuple(Field(m["name"], m["bits_offset"] // 8, self._size(m["type_id"])) for m in members)

    def size(self, struct: str) -> int:
        """Return the bytes of ``struct NAME``, its padding included."""
        return int(self._structs[struct]["size"])

    def maps(self) -> dict[str, tuple[str, str]]:
        """Return the key and value type of each map: a structure's name, that of an integer, or "" for none."""
        section = next(t for t in self._types.values() if t["kind"] == "DATASEC" and t["name"] == ".maps")
        variables = [self._types[variable["type_id"]] for variable in section["vars"]]
        return {variable["name"]: self._key_and_value(variable["type_id"]) for variable in variables}

    def _key_and_value(self, type_id: int) -> tuple[str, str]:
        pointers = {m["name"]: self._types[m["type_id"]] for m in self._types[type_id]["members"]}
        key, value = (
            self._bare(pointers[name]["type_id"])["name"] if name in pointers else "" for name in ("key", "value")
        )
        return key, value

    def _size(self, type_id: int) -> int:
        bare = self._bare(type_id)
        match bare["kind"]:
            case "ARRAY":
                return int(bare["nr_elems"]) * self._size(bare["type_id"])
            case "PTR":
                return _POINTER
            case _:
                return int(bare["size"])

    def _bare(self, type_id: int) -> dict[str, Any]:
        """Return the type behind typedefs and qualifiers."""
        found = self._types[type_id]
        while found["kind"] in {"TYPEDEF", "CONST", "VOLATILE"}:
            found = self._types[found["type_id"]]
        return found
