# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests for the API, and agents' reports: attributes with odd values, and what is no JSON at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from vxnet.server.api.agents import AGENT
from vxnet.server.api.networks import NETWORK
from vxnet.server.api.ports import PORT
from vxnet.server.api.subnets import SUBNET

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOURCES = {resource.plural: resource for resource in (NETWORK, SUBNET, PORT, AGENT)}

# ---- values ----------------------------------------------------------------------------------------------------------

TEXTS = (
    *(
        "",
        " ",
        "a",
        "0",
        "true",
        "None",
        "null",
        "x" * 255,
        "x" * 256,
        "x" * 70_000,
        "ü",
        "\U0001f600",
        "\0",
        "\n",
        "\x7f",
    ),
    *(
        "\u202e",
        "a,b",
        "a/b",
        "../..",
        "%00",
        "{}",
        "[]",
        "'",
        '"',
        ";",
        "@NETWORK@",
        "@SUBNET@",
        "@PORT@",
        "red",
        "h1",
    ),
    *("10.0.0.5", "10.0.0.0/24", "10.0.0.256", "0.0.0.0/0", "10.0.0.0/33", "10.0.0.7/24", "fd00::/64", "fd00::5", "::"),
    *("::ffff:10.0.0.5", "fe80::1%eth0", "fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "FA163E000001"),
    *(
        "4",
        "6",
        "vxlan",
        "slaac",
        "network:dhcp",
        "compute:nova",
        "normal",
        "1e5",
        "-1",
        "9" * 30,
        "9" * 5000,
        "\u0661",
    ),
)
_NUMBERS = (0, 1, -1, 4, 6, 68, 1450, 5001, 2**24 - 1, 2**24, 2**31, 2**32, 2**63, 2**64, 10**40, 0.5, 1e308)
_SCALARS = st.one_of(
    st.sampled_from(TEXTS), st.sampled_from(_NUMBERS), st.sampled_from((None, True, False)), st.text(max_size=8)
)
_INNER = (
    *(
        "ip_address",
        "subnet_id",
        "mac_address",
        "start",
        "end",
        "destination",
        "nexthop",
        "revision",
        "local",
        "active",
    ),
    *("ip_version", "cidr", "@NETWORK@", "", "\0", "$ref", "__proto__", "a" * 300),
)
_FITTING: dict[str, tuple[Any, ...]] = {
    "network_id": ("@NETWORK@",),
    "fixed_ips": (
        [],
        [{"subnet_id": "@SUBNET@"}],
        [{"ip_address": "10.0.0.77"}],
        [{}],
        [{"subnet_id": "@SUBNET@"}] * 50,
    ),
    "allowed_address_pairs": ([], [{"ip_address": "10.0.0.9"}], [{"ip_address": "0.0.0.0/0", "mac_address": ""}] * 30),
    "allocation_pools": (
        [],
        [{"start": "10.0.0.2", "end": "10.0.0.1"}],
        [{"start": "10.0.0.2", "end": "10.0.0.9"}] * 2,
    ),
    "host_routes": ([{"destination": "0.0.0.0/0", "nexthop": "10.0.0.1"}],),
    "cidr": ("10.0.0.0/24", "10.1.0.0/30", "10.2.0.0/32", "fd00::/64", "fd00::/128", "0.0.0.0/0", "224.0.0.0/8"),
    "ip_version": (4, 6),
    "binding:profile": ({}, {"a": {"b": [1]}}, {"": "x" * 10_000}),
    "tags": ([], ["a"], ["a"] * 60, ["a,b"], [""]),
    "project_id": ("red", "", "operators"),
}


def _nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(leaves, max_size=3), st.dictionaries(st.sampled_from(_INNER), leaves, max_size=3))


_VALUES = st.one_of(_SCALARS, _SCALARS, _nested(_SCALARS), _nested(_nested(_SCALARS)))


def _value_of(name: str) -> st.SearchStrategy[Any]:
    fitting = st.sampled_from(_FITTING.get(name, (True, "a")))
    return st.one_of(fitting, fitting, fitting, _VALUES)


@st.composite
def bodies(draw: st.DrawFn, plural: str) -> bytes:
    """A body that is JSON, as a rule: one thing, several, or anything."""
    resource = RESOURCES.get(plural)
    kind = draw(st.sampled_from(("one", "one", "one", "several", "any", "deep", "raw")))
    if kind == "deep":
        opening, levels = (
            draw(st.sampled_from((b"[", b'{"a":', b'{"port":{"binding:profile":'))),
            draw(st.integers(30, 3000)),
        )
        return opening * levels
    if kind == "raw":
        return draw(st.one_of(st.binary(max_size=40), st.sampled_from(_RAW)))
    if resource is None or kind == "any":
        return json.dumps(draw(_VALUES)).encode()
    things = [
        _draw_thing(draw, [a.name for a in resource.attributes if a.post or a.put]) for _ in range(_count(draw, kind))
    ]
    body = {plural: things} if kind == "several" else {resource.name: things[0]}
    return json.dumps(body, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _count(draw: st.DrawFn, kind: str) -> int:
    return draw(st.integers(0, 4)) if kind == "several" else 1


def _draw_thing(draw: st.DrawFn, names: Sequence[str]) -> dict[str, Any]:
    said = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
    thing = {name: draw(_value_of(name)) for name in said}
    if draw(st.integers(0, 3)):  # what is needed is said, as a rule
        thing |= {"network_id": "@NETWORK@"} if "network_id" in names else {}
        thing |= {"cidr": draw(st.sampled_from(_FITTING["cidr"])), "ip_version": 4} if "cidr" in names else {}
    return thing


_RAW = (
    b"",
    b"{",
    b"\xef\xbb\xbf{}",
    b'{"network":{"name":"\xff"}}',
    b'{"network":{"name":"\\ud800"}}',
    b'{"network":{"name":"a","name":"b"}}',
    b'{"network":{"mtu":1e400}}',
    b'{"network":{"mtu":NaN}}',
    b'{"network":{"mtu":-0}}',
    b'{"network":{"mtu":1' + b"0" * 5000 + b"}}",
    b'{"networks":[' + b'{"name":"a"},' * 200 + b'{"name":1}]}',
    b"[" * 100_000,
    b'{"revision":0,"x":' + b"[" * 100_000,
    b'{"revision":0,"x":' + b'{"a":' * 50_000,
)

# ---- reports ---------------------------------------------------------------------------------------------------------

_REPORT = {
    "revision": 0,
    "local": "192.168.146.131",
    "underlay_mtu": 1500,
    "version": "0",
    "started_at": "2026-01-01T00:00:00Z",
    "active": ["@PORT@"],
}


@st.composite
def reports(draw: st.DrawFn) -> bytes:
    """What an agent says, with odd values, or something else."""
    if not draw(st.integers(0, 3)):
        return draw(st.one_of(bodies(""), st.sampled_from(_RAW)))
    changed = draw(st.dictionaries(st.sampled_from(tuple(_REPORT)), _VALUES, max_size=2))
    report = _REPORT | {"segments": [], "waiting": []} | changed
    return json.dumps(report).encode("utf-8", "surrogatepass")
