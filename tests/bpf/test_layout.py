# SPDX-License-Identifier: Apache-2.0
"""What Python believes of the maps' keys and values is what clang made of the C."""

from __future__ import annotations

import ctypes
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.support.btf import Btf
from vxnet.datapath import layout
from vxnet.datapath.maps import SIZES, CounterMap, Map, Maps, Ring
from vxnet.switch.duplicates import DUPLICATE_TIME

SOURCES = Path(str(files("vxnet.datapath.bpf")))

STRUCTS: dict[str, type[ctypes.Structure]] = {
    "state": layout.State,
    "vtep": layout.VtepValue,
    "vlan_set": layout.VlanSet,
    "domain": layout.Domain,
    "member": layout.Member,
    "place": layout.Place,
    "address": layout.Address,
    "fdb_key": layout.FdbKey,
    "fdb_entry": layout.FdbValue,
    "moved": layout.Moved,
    "question_key": layout.QuestionKey,
    "question": layout.Question,
    "source_key": layout.SourceKey,
    "sender_key": layout.SenderKey,
    "neighbour_key": layout.NeighbourKey,
    "neighbour": layout.NeighbourValue,
    "flood_key": layout.FloodKey,
    "arrival_key": layout.ArrivalKey,
    "heard": layout.Heard,
    "traffic": layout.Traffic,
}
INTEGERS = {"unsigned int": ctypes.c_uint32, "unsigned long long": layout.Drops}


@pytest.fixture(scope="module")
def btf() -> Btf:
    """The compiled object's types."""
    return Btf(SOURCES / "vxnet.bpf.o")


@pytest.mark.parametrize("struct", STRUCTS)
def test_fields(btf: Btf, struct: str) -> None:
    """Every field has the same name, offset and size, and the whole has the same size: no padding in other places."""
    ours = STRUCTS[struct]
    names = [name for name, _ in ours._fields_]  # type: ignore[misc]  # there are no bit fields
    places = [(getattr(ours, name).offset, getattr(ours, name).size) for name in names]
    fields = btf.fields(struct)
    assert [(field.offset, field.size) for field in fields] == places
    # C speaks of an address's words, Python of its bytes.
    assert [field.name for field in fields] == names or struct == "address"
    assert btf.size(struct) == ctypes.sizeof(ours)


def test_maps(btf: Btf) -> None:
    """Each map that Python touches has the key and the value that Python takes it for."""
    maps = Maps(dict.fromkeys(SIZES, -1))
    types: dict[str, Any] = {**INTEGERS, **STRUCTS}
    for name, (key, value) in btf.maps().items():
        ours = getattr(maps, name, None)
        match ours:
            case Map():
                assert (ours._key, ours._value) == (types[key], types[value]), name
            case Ring():
                assert (key, value) == ("", ""), "a ring buffer has records alone"
            case CounterMap():
                assert (ctypes.c_uint32, ours._all._type_) == (types[key], types[value]), name
            case None:
                assert name in {"tx_flows", "rx_flows", "storms"}, "Python touches no others"
            case _:
                pytest.fail(f"{name} is no map")
    assert {name for name in vars(maps) if not name.startswith("_")} == set(SIZES) <= set(btf.maps())


def test_constants() -> None:
    """A #define of structs.h has the same value as layout.py's constant of that name; so have the kinds of members."""
    text = (SOURCES / "structs.h").read_text(encoding="utf-8")
    defined = dict(re.findall(r"^#define (\w+)[ \t]+(\(?[\w<<( )]+)", text, re.MULTILINE))
    kinds = dict(re.findall(r"((?:MEMBER|VLAN)_[A-Z_]+) = (\d+)", text))
    shared = {name for name, value in vars(layout).items() if name.isupper() and isinstance(value, int)}
    shared -= {"LAYOUT", "MEANING", "TYPE_CHECKING"}
    assert shared <= {*defined, *kinds}
    for name in shared:
        first, *shift = (int(word) for word in re.findall(r"\d+", {**defined, **kinds}[name]))
        assert getattr(layout, name) == first << sum(shift), name


def test_a_duplicate_lasts_as_long_everywhere() -> None:
    """The programs, the maps' reader and the reference switch mean the same 180 seconds (RFC 7432, section 15.1)."""
    (programs,) = re.findall(r"#define DUPLICATE_TIME (\d+)LL", (SOURCES / "structs.h").read_text())
    assert int(programs) == layout.DUPLICATE_TIME == DUPLICATE_TIME * 10**9 == 180 * 10**9
