# SPDX-License-Identifier: Apache-2.0
"""The UDP source port: the documented hash, exactly, and a spread that underlays can use."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.frames import MAC_A, MAC_B, udp_frame
from vxnet.packet import ethernet, ip
from vxnet.packet.flow import PORT_MAX, PORT_MIN, source_port

if TYPE_CHECKING:
    from collections.abc import Callable

L4 = bytes.fromhex("03e807d0") + bytes(16)  # ports 1000 and 2000


def ipv4(src: str, dst: str, protocol: int, l4: bytes = L4, **fields: int) -> bytes:
    """Return a tenant's IPv4 frame."""
    packet = ip.IPv4(src=IPv4Address(src), dst=IPv4Address(dst), protocol=protocol, payload=l4, **fields)  # type: ignore[arg-type]
    return ethernet.Ethernet(dst=MAC_B, src=MAC_A, ethertype=ethernet.IPV4, payload=packet.encode()).encode()


def ipv6(src: str, dst: str, next_header: int, l4: bytes = L4) -> bytes:
    """Return a tenant's IPv6 frame."""
    packet = ip.IPv6(src=IPv6Address(src), dst=IPv6Address(dst), next_header=next_header, payload=l4)
    return ethernet.Ethernet(dst=MAC_B, src=MAC_A, ethertype=ethernet.IPV6, payload=packet.encode()).encode()


@pytest.mark.parametrize(
    ("frame", "port"),
    [
        pytest.param(ipv4("10.0.0.1", "10.0.0.2", ip.UDP), 56229, id="ipv4-udp"),
        pytest.param(
            ipv4("192.168.146.131", "192.168.146.136", ip.TCP, bytes.fromhex("ffff0050")), 52462, id="ipv4-tcp"
        ),
        pytest.param(ipv4("10.0.0.1", "10.0.0.2", ip.ICMP), 54302, id="ipv4-icmp"),
        pytest.param(ipv6("2001:db8::1", "2001:db8::2", ip.UDP), 54200, id="ipv6-udp"),
        pytest.param(ipv6("2001:db8::1", "2001:db8::2", ip.ICMPV6), 50346, id="ipv6-icmp"),
        pytest.param(bytes.fromhex("020000000002 020000000001 0806") + bytes(46), 62798, id="arp"),
    ],
)
def test_ports_that_c_computed(frame: bytes, port: int) -> None:
    """The same formula compiled from C on a little-endian machine gave these numbers."""
    assert source_port(frame) == port


@given(st.binary(min_size=14, max_size=80), st.sampled_from([ethernet.IPV4, ethernet.IPV6, ethernet.ARP]))
def test_every_frame_has_a_port_in_range(data: bytes, ethertype: int) -> None:
    """RFC 7348, section 5: 49152-65535, whatever the frame holds and wherever it ends."""
    frame = data[:12] + ethertype.to_bytes(2, "big") + data[14:]
    assert PORT_MIN <= source_port(frame) <= PORT_MAX


@given(st.binary(min_size=4, max_size=4))
def test_ports_count_only_where_there_are_ports(l4: bytes) -> None:
    """ICMP's first bytes, any fragment's, and IP options in their place, do not move a flow to another path."""
    still = {
        "icmp": (ipv4("10.0.0.1", "10.0.0.2", ip.ICMP, l4), ipv4("10.0.0.1", "10.0.0.2", ip.ICMP, bytes(4))),
        "first fragment": (
            ipv4("10.0.0.1", "10.0.0.2", ip.UDP, l4, more_fragments=True),
            ipv4("10.0.0.1", "10.0.0.2", ip.UDP, bytes(4), more_fragments=True),
        ),
        "last fragment": (
            ipv4("10.0.0.1", "10.0.0.2", ip.UDP, l4, offset=3),
            ipv4("10.0.0.1", "10.0.0.2", ip.UDP, bytes(4), more_fragments=True),
        ),
        "options": (
            ipv4("10.0.0.1", "10.0.0.2", ip.UDP, L4, options=l4),  # type: ignore[arg-type]
            ipv4("10.0.0.1", "10.0.0.2", ip.UDP, L4, options=bytes(4)),  # type: ignore[arg-type]
        ),
        "extension header": (ipv6("::1", "::2", 0, l4), ipv6("::1", "::2", 0, bytes(4))),
    }
    for what, (one, other) in still.items():
        assert source_port(one) == source_port(other), what


@pytest.mark.parametrize("protocol", [ip.TCP, ip.UDP, ip.SCTP])
def test_ports_count_with_all_four_bytes(protocol: int) -> None:
    """TCP, UDP and SCTP flows differ by their ports, once all four bytes are there."""
    other = bytes.fromhex("03e907d0")
    for make, addresses in ((ipv4, ("10.0.0.1", "10.0.0.2")), (ipv6, ("::1", "::2"))):
        assert source_port(make(*addresses, protocol, L4)) != source_port(make(*addresses, protocol, other))
        assert source_port(make(*addresses, protocol, L4[:3])) == source_port(make(*addresses, protocol, b""))


def test_df_is_no_fragment() -> None:
    """The DF flag leaves the ports in the hash."""
    plain = ipv4("10.0.0.1", "10.0.0.2", ip.UDP)
    assert source_port(ipv4("10.0.0.1", "10.0.0.2", ip.UDP, dont_fragment=True)) == source_port(plain)


def _ports_change(i: int) -> bytes:
    return udp_frame(src_port=1024 + i)


def _hosts_change(i: int) -> bytes:
    return ipv4(f"10.0.{i >> 6 & 63}.{i & 63}", f"10.1.{i & 63}.{i >> 6 & 63}", ip.ICMP)


def _hosts6_change(i: int) -> bytes:
    return ipv6(f"2001:db8::{i:x}", "2001:db8:ffff::1", ip.TCP)


def _macs_change(i: int) -> bytes:
    return bytes.fromhex("02000000") + i.to_bytes(2, "big") + bytes.fromhex("020000ffffff 0806") + bytes(46)


@pytest.mark.parametrize("flow", [_ports_change, _hosts_change, _hosts6_change, _macs_change])
@pytest.mark.parametrize("bucket", [lambda p: p % 64, lambda p: (p - PORT_MIN) >> 8], ids=["low-bits", "high-bits"])
def test_flows_spread_evenly(flow: Callable[[int], bytes], bucket: Callable[[int], int]) -> None:
    """4096 flows that differ in little fall into 64 buckets as by chance: chi-square, 63 degrees of freedom, 0.1 %."""
    flows, buckets = 4096, 64
    counts = Counter(bucket(source_port(flow(i))) for i in range(flows))
    expected = flows / buckets
    chi_square = sum((counts[i] - expected) ** 2 / expected for i in range(buckets))
    assert chi_square < 103.4
