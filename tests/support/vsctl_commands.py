# SPDX-License-Identifier: Apache-2.0
"""Sequences of `ovs-vsctl` commands such as scripts and agents give: most of them sensible, some of them not.

Bridges b0, b1; TAPs t0 to t3; internal ports i0, i1; tunnels v2, v3 to the remotes of ports.py; a device that is
missing. Names are few, so that commands meet what others did.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.ports import REMOTES

BRIDGES = ("b0", "b1")
TAPS = ("t0", "t1", "t2", "t3")
INTERNAL = ("i0", "i1")
TUNNELS = ("v2", "v3")
MISSING = "nodev0"
PORTS = (*TAPS, *INTERNAL, *TUNNELS, MISSING)
VIDS = ("10", "20")
VNIS = ("7", "8")

bridges = st.sampled_from(BRIDGES)
may = st.sampled_from(("", "--may-exist "))
known = st.sampled_from(("", "--if-exists "))

_remotes = st.sampled_from((*map(str, REMOTES.values()), *map(str, REMOTES.values()), "banana", "239.1.1.1"))
_keys = st.sampled_from(("", *(f"options:key={vni}" for vni in (0, *VNIS)), "options:in_key=7 options:out_key=8"))
_more = st.sampled_from((
    "", "", "options:ttl=9", "options:tos=inherit", "options:csum=true", "options:df_default=false",
))  # fmt: skip
_vlans = st.sampled_from((
    "tag=10", "tag=20", "tag=0", "trunks=10", "trunks=10,20", "trunks=0,20", "tag=10 vlan_mode=native-tagged",
    "tag=10 vlan_mode=native-untagged", "tag=10 trunks=20 vlan_mode=native-untagged", "vlan_mode=access",
    "tag=10 vlan_mode=trunk", "tag=4096",
))  # fmt: skip


@st.composite
def tunnel_settings(draw: st.DrawFn, name: str) -> str:
    """Return a `set interface` that makes a tunnel of a port."""
    remote = f"options:remote_ip={draw(_remotes)}"
    return f"set interface {name} type=vxlan {remote} {draw(_keys)} {draw(_more)}"


@st.composite
def add_port(draw: st.DrawFn) -> str:
    """Return an `add-port` with what the port needs."""
    name = draw(st.sampled_from(PORTS))
    vlan = draw(st.sampled_from(("", "", "tag=10", "trunks=10,20")))
    words = f"{draw(may)}add-port {draw(bridges)} {name} {vlan}"
    if name in TUNNELS:
        return f"{words} -- {draw(tunnel_settings(name))}"
    if name in INTERNAL:
        return f"{words} -- set interface {name} type=internal"
    return words


@st.composite
def change(draw: st.DrawFn) -> str:
    """Return a change of a port or a bridge that may be there."""
    name = draw(st.sampled_from((*TAPS, *TUNNELS)))
    words = (
        st.just(f"clear port {name} tag trunks vlan_mode"),
        _vlans.map(lambda vlan: f"clear port {name} tag trunks vlan_mode -- set port {name} {vlan}"),
        st.sampled_from(TUNNELS).flatmap(tunnel_settings),
        st.sampled_from((91, 92)).map(lambda number: f"set interface {name} ofport_request={number}"),
        bridges.map(lambda bridge: f"set bridge {bridge} other_config:forward-bpdu=true"),
        bridges.map(lambda bridge: f"set bridge {bridge} other_config:hwaddr=02:11:22:33:44:5{bridge[1]}"),
        bridges.map(lambda bridge: f"remove bridge {bridge} other_config hwaddr"),
    )
    drawn: str = draw(st.one_of(*words))
    return drawn


single = st.one_of(
    st.builds("{}add-br {}".format, may, bridges),
    add_port(),
    add_port(),
    add_port(),
    change(),
    change(),
    st.builds("{}del-port {}".format, known, st.sampled_from(PORTS)),
    st.builds("{}del-br {}".format, known, bridges),
)
"""One command, or one with what belongs to it."""

sequences = st.lists(st.lists(single, min_size=1, max_size=2).map(" -- ".join), min_size=4, max_size=14)
"""A session: commands, some of them chained."""
