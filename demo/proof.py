# SPDX-License-Identifier: Apache-2.0
"""The proof: what tshark, which knows nothing of vxnet, reads in the captured packets.

outer Ethernet | outer IPv4       | UDP             | VXLAN | inner Ethernet | inner ARP or IPv4 ...
MACs           | addresses, TTL   | ports, to 4789  | VNI   | MACs           | who asks, who answers

A field that a packet has twice, such as ip.src, comes as two values: outer, inner.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import msgspec
from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.lab import Capture

FIELDS = (
    "frame.number", "eth.src", "eth.dst", "ip.src", "ip.dst", "ip.ttl", "ip.len", "udp.srcport", "udp.dstport",
    "vxlan.vni", "arp.opcode", "arp.src.proto_ipv4", "arp.dst.proto_ipv4", "icmp.type", "frame.protocols",
)  # fmt: skip
"""tshark's names, in the order in which `decode` takes them apart."""

HEADERS = 28
"""Bytes of an inner IPv4 packet that are not the payload of its ICMP echo: 20 of IPv4, 8 of ICMP."""

LAYERS = ("Ethernet II", "Internet Protocol", "User Datagram", "Virtual eXtensible", "Address Res", "Internet Control")
"""The layers that `layers` shows, by the beginning of their line in tshark's full decode."""

DETAILS = ("Don't fragment:", "Time to Live:", "Flags: 0x0800", "VXLAN Network Identifier")
"""The lines that it shows inside of them."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """One VXLAN packet. Pairs are (source, destination); ``payload`` is that of an ICMP echo, in bytes."""

    number: int
    outer_macs: tuple[str, str]
    outer: tuple[str, str]
    ttl: int
    ports: tuple[int, int]
    vni: int
    inner_macs: tuple[str, str]
    inner: str
    payload: int = 0


def decode(capture: Capture) -> tuple[Packet, ...]:
    """Stop ``capture`` and return its VXLAN packets in their order. Raises LabError if tshark fails."""
    return tuple(_packet(row) for row in capture.fields(*FIELDS, matching="vxlan"))


def _packet(row: tuple[str, ...]) -> Packet:
    fields = {name: value.split(",") for name, value in zip(FIELDS, row, strict=True)}
    (src_mac, *inner_src_mac), (dst_mac, *inner_dst_mac) = fields["eth.src"], fields["eth.dst"]
    inner, payload = _inner(fields)
    return Packet(
        number=int(row[0]),
        outer_macs=(src_mac, dst_mac),
        outer=(fields["ip.src"][0], fields["ip.dst"][0]),
        ttl=int(fields["ip.ttl"][0]),
        ports=(int(fields["udp.srcport"][0]), int(fields["udp.dstport"][0])),
        vni=int(fields["vxlan.vni"][0]),
        inner_macs=(inner_src_mac[0], inner_dst_mac[0]),
        inner=inner,
        payload=payload,
    )


def _inner(fields: dict[str, list[str]]) -> tuple[str, int]:
    """What the tenant's frame says, in words, and the payload if it is an echo."""
    match fields["arp.opcode"][0], fields["icmp.type"][0]:
        case "1", _:
            return f"ARP who has {fields['arp.dst.proto_ipv4'][0]}? tell {fields['arp.src.proto_ipv4'][0]}", 0
        case "2", _:
            return f"ARP {fields['arp.src.proto_ipv4'][0]} is at {fields['eth.src'][1]}", 0
        case _, "8" | "0" as kind:
            payload = int(fields["ip.len"][1]) - HEADERS
            what = "request" if kind == "8" else "reply"
            return f"ICMP echo {what} {payload} B {fields['ip.src'][1]} > {fields['ip.dst'][1]}", payload
        case _:
            return fields["frame.protocols"][0].partition(":vxlan:")[2], 0


def table(packets: Sequence[Packet], *, ethernet: bool = False) -> Table:
    """A table of packets, two lines for each; with the outer MAC addresses if ``ethernet``."""
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    first = ("#", "outer Ethernet") if ethernet else ("#",)
    for column in (*first, "outer IP", "TTL", "UDP", "VNI", "inside: the tenant's frame"):
        drawn.add_column(column, overflow="fold", no_wrap=column in {"#", "TTL", "VNI"})
    for packet in packets:
        source, destination = packet.outer_macs
        drawn.add_row(
            str(packet.number),
            *([f"{source}\n> {destination}"] if ethernet else []),
            "{}\n> {}".format(*packet.outer),
            str(packet.ttl),
            "{}\n> {}".format(*packet.ports),
            str(packet.vni),
            "{} > {}\n{}".format(*packet.inner_macs, packet.inner),
        )
    return drawn


def layers(capture: Capture, number: int) -> str:
    """Packet ``number`` of a stopped capture layer by layer, in tshark's words; "" if there is no such packet."""
    command = ("tshark", "-n", "-r", str(capture.file), "-Y", f"frame.number == {number}", "-V")
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    kept = []
    for line in text.splitlines():
        if line.startswith(LAYERS):
            kept.append(line)
        elif any(detail in line for detail in DETAILS):
            kept.append(f"    {line.strip()}")
    return "\n".join(kept)
