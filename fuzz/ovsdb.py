# SPDX-License-Identifier: Apache-2.0
"""Rows of an Open vSwitch database with anything in their columns: a state, and an error for what cannot be.

rows, any text and number that the schema allows --desired--> Wanted: what there is to be, errors, notes
                                                                |  names that the maps have room for
                                                                |  a reference switch, and a plan
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fuzz.exploring import explore
from tests.unit import ovsrows
from vxnet.model import DOWN
from vxnet.plan import Actual, plan
from vxnet.sources.ovsdb.desired import desired
from vxnet.sources.values import DEVICE_NAME_MAX, SEGMENT_NAME_MAX
from vxnet.switch.switch import Switch

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "ovsdb"

DATABASES = 200
"""How many a round tries."""

_LINKS = ovsrows.links(eth1="52:54:00:00:00:01", tap0="02:00:00:00:00:01", lo=None)


def run(rounds: Iterable[int], count: int = DATABASES) -> Counter[str]:
    """Try made-up databases; return how many bridges, tunnels, ports and errors they came to."""
    seen: Counter[str] = Counter()
    for number in rounds:
        explore(_DATABASES, lambda bridges: seen.update(examine(bridges)), seed=number, count=count)
    return seen


def examine(bridges: list[ovsrows.Bridge]) -> Counter[str]:
    """Read a database of these bridges, of which no two have one name, nor two interfaces."""
    database = ovsrows.database(*{bridge.name: bridge for bridge in bridges}.values())
    wanted = desired(database, _LINKS)
    state = wanted.state
    for network in state.bridges:
        assert len(network.name.encode()) <= SEGMENT_NAME_MAX
        assert 0 < network.ageing <= 3600
    for tunnel in state.tunnels:
        assert len(tunnel.name.encode()) <= SEGMENT_NAME_MAX
        assert tunnel.vni_out < 1 << 24
    for port in state.ports:
        assert len(port.device.encode()) <= DEVICE_NAME_MAX or not port.internal
    if state.bridges:
        Switch(state)
        assert plan(state, Actual(DOWN))
    names = {row.name for row in database.interfaces.values()}
    assert wanted.errors.keys() <= names
    assert all(wanted.errors.values())
    return Counter(
        databases=1,
        bridges=len(state.bridges),
        tunnels=len(state.tunnels),
        ports=len(state.ports),
        errors=len(wanted.errors),
    )


_NUMBERS = (
    "0",
    "1",
    "7",
    "007",
    "0x10",
    "09",
    "16777216",
    "65536",
    "-1",
    " 1",
    "1.5",
    "9" * 5000,
    "0" * 5000,
    "\u0661",
)
_TEXTS = st.one_of(
    st.sampled_from((*_NUMBERS, "", "flow", "inherit", "true", "false", "banana", "x" * 300, "a\nb", "\u00fc", "gbp")),
    st.sampled_from(
        ("192.0.2.1", "192.0.2.2", "239.1.1.1", "fd00::1", "::", "0.0.0.1", "192.0.2.1/24", "fe80::1%eth0")
    ),
    st.sampled_from(("52:54:00:00:00:09", "01:00:00:00:00:01", "00:00:00:00:00:00", "525400000009", "0x1", "f" * 16)),
    st.text(max_size=6),
)
_NAMES = st.sampled_from(
    ("br0", "br1", "eth1", "tap0", "vx0", "lo", "a b", "..", "n" * 15, "n" * 16, "n" * 63, "n" * 64, "\u00fc" * 32)
)
_FITTING = {
    "remote_ip": ("192.0.2.2", "192.0.2.3", "fd00::2", "flow"),
    "local_ip": ("192.0.2.1", "fd00::1", "flow"),
    "key": ("7", "0x10", "flow"),
    "in_key": ("8", "flow"),
    "out_key": ("9", "flow"),
    "dst_port": ("4789", "8472"),
    "ttl": ("1", "inherit"),
    "tos": ("0xb8", "inherit"),
    "csum": ("true",),
    "df_default": ("false",),
}


@st.composite
def _options(draw: st.DrawFn) -> dict[str, str]:
    """What a tunnel needs, as a rule, and odd things beside it."""
    said = {"remote_ip": "192.0.2.2"} if draw(st.integers(0, 3)) else {}
    for key in draw(st.lists(st.sampled_from(tuple(_FITTING)), max_size=4, unique=True)):
        fitting = st.sampled_from(_FITTING[key])
        said[key] = draw(st.one_of(fitting, fitting, _TEXTS))
    if not draw(st.integers(0, 5)):
        said[draw(st.sampled_from(("exts", "psk", "packet_type", "egress_pkt_mark", "x", "")))] = draw(_TEXTS)
    return said


_TAGS = st.sampled_from((0, 1, 7, 4095))


@st.composite
def _ports(draw: st.DrawFn) -> ovsrows.Port:
    columns = {
        "type": draw(st.sampled_from(("", "vxlan", "vxlan", "internal", "system", "gre", "patch", "banana"))),
        "options": draw(_options()),
        "mac": draw(st.none() | _TEXTS),
        "mtu_request": draw(st.none() | st.sampled_from((68, 1500, 65535))),
        "ofport": draw(st.none() | st.integers(-1, 65535)),
    }
    row = ovsrows.interface(draw(_NAMES), **columns)
    if draw(st.booleans()):
        return ovsrows.port(row)
    return ovsrows.port(
        row,
        tag=draw(st.none() | _TAGS),
        trunks=tuple(draw(st.lists(_TAGS, max_size=3))),
        vlan_mode=draw(st.sampled_from((None, "access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"))),
        fake_bridge=draw(st.booleans()),
    )


_CONFIG = st.dictionaries(
    st.sampled_from(("mac-aging-time", "mac-table-size", "forward-bpdu", "hwaddr", "datapath-id", "x")),
    _TEXTS,
    max_size=3,
)
_DATABASES = st.lists(
    st.builds(
        lambda name, ports, config: ovsrows.Bridge(name, *ports, other_config=config),
        _NAMES,
        st.lists(_ports(), max_size=4),
        _CONFIG,
    ),
    max_size=3,
)
