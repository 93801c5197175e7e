# SPDX-License-Identifier: Apache-2.0
"""Reading the devices of a namespace again and again: what has not changed is remembered, what has is seen."""

from __future__ import annotations

from ipaddress import IPv4Address

from vxnet.datapath import devices as net
from vxnet.datapath.devices import devices
from vxnet.lab import Lab


def test_what_changes_is_seen() -> None:
    """MTU, state, alias, name and addresses are each what they are at that moment, and the same again later."""
    with Lab.unique("devices") as lab:
        host = lab.host("h1", "192.168.146.131/24")
        host.ip("link add one type veth peer name two")
        with host.enter():
            first = devices().by_name["one"]
            assert devices().by_name["one"] == first
            host.ip("link set one mtu 1400 alias iface-id=x up")
            host.ip("address add 10.0.0.1/24 dev one")
            changed = devices().by_name["one"]
            assert (changed.mtu, changed.up, changed.alias) == (1400, True, "iface-id=x")
            assert changed.addresses == (IPv4Address("10.0.0.1"),)
            assert devices().holding(IPv4Address("10.0.0.1")) == changed
            host.ip("link set one mtu 1500 alias '' down")
            host.ip("address flush dev one")
            assert devices().by_name["one"] == first
            host.ip("link set one name three")
            assert "one" not in devices().by_name
            assert devices().by_name["three"].index == first.index


def test_what_is_remembered_is_what_is_there() -> None:
    """However often devices change, come and go, no more is remembered than each of those there, as it was last."""
    with Lab.unique("devices") as lab:
        host = lab.host("h1", "192.168.146.131/24")
        with host.enter():
            for number in range(5):
                host.ip(f"link add pair{number} type veth peer name end{number}")
                host.ip(f"link set lo alias change-{number}")
                assert devices().by_index.keys() == net._last.keys()
                host.ip(f"link delete pair{number}")
            assert devices().by_index.keys() == net._last.keys()
