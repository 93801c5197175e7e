# SPDX-License-Identifier: Apache-2.0
"""The codecs: any bytes are a value or a MalformedError, and a value's bytes are that value.

bytes --parse--> value --encode--> bytes, the canonical ones --parse--> the same value
             `-> MalformedError

Coverage guides what is tried, if atheris is there (guided.py). `run` needs nothing: it mutates good packets.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Protocol, Self

from fuzz import corpus, packets
from fuzz.mutation import mutated
from vxnet.model import Source
from vxnet.packet import ecn, ethernet, flow, ip, nd
from vxnet.packet.arp import LENGTH as ARP_LENGTH
from vxnet.packet.arp import Arp
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError
from vxnet.packet.ethernet import Ethernet
from vxnet.packet.icmp import IcmpEcho
from vxnet.packet.ip import IPv4, IPv6
from vxnet.packet.mac import format_mac, parse_mac
from vxnet.packet.outer import read_outer
from vxnet.packet.udp import Udp
from vxnet.packet.vxlan import Vxlan
from vxnet.switch import answers, security

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAME = "codecs"

PACKETS = 500
"""How many a round tries."""


class Codec(Protocol):
    """What the codecs have in common."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read it, or raise MalformedError."""

    def encode(self) -> bytes:
        """Write it."""


CODECS: tuple[type[Codec], ...] = (Ethernet, Arp, IPv4, IPv6, Udp, IcmpEcho, Vxlan)


def run(rounds: Iterable[int]) -> Counter[str]:
    """Try the corpus, then mutated packets; return how many were read as what."""
    seen: Counter[str] = Counter()
    for data in corpus.kept(NAME).values():
        seen += examine(data)
    for number in rounds:
        random = Random(number)
        for _ in range(PACKETS):
            data = mutated(random, random.choice(packets.ALL), packets.ALL)
            try:
                seen += examine(data)
            except Exception as error:
                error.add_note(f"the input is {corpus.found(NAME, data)}")
                raise
    return seen


def examine(data: bytes) -> Counter[str]:
    """Read bytes as everything they could be, at each place where such a thing could begin."""
    seen: Counter[str] = Counter(inputs=1)
    # Behind a header is where the next codec reads; so a whole packet is tried in all its parts.
    for at in (0, *(at for at in _BEGINNINGS if at < len(data))):
        for codec in CODECS:
            seen[codec.__name__] += _round_trip(codec, data[at:])
        _neighbour(data[at:])
    if len(data) >= ethernet.HEADER_LENGTH:
        for check in _OF_FRAMES:
            check(data)
    return seen


_BEGINNINGS = (14, 34, 42, 54, 62)
"""Where headers begin behind others: Ethernet 14, IPv4 20 or IPv6 40, UDP 8."""


def _round_trip(codec: type[Codec], data: bytes) -> bool:
    """Tell whether it is one; then what it is written as is the same one, and is written so again."""
    try:
        value = codec.parse(data)
    except MalformedError:
        return False
    written = value.encode()
    assert codec.parse(written) == value
    assert codec.parse(written).encode() == written
    if exact := _EXACT.get(codec):
        assert written == exact(data)
    return True


_EXACT: dict[type[Codec], Callable[[bytes], bytes]] = {
    Ethernet: lambda data: data,
    Arp: lambda data: data[:ARP_LENGTH],
    IPv6: lambda data: data[: ip.IPV6_HEADER_LENGTH + int.from_bytes(data[4:6], "big")],
    Udp: lambda data: data[: int.from_bytes(data[4:6], "big")],
    Vxlan: lambda data: bytes((8, 0, 0, 0)) + data[4:7] + bytes(1) + data[8:],
}
"""What a value is written as where the bytes are kept: IPv4 and ICMP have two ways to write a checksum of zero."""


def _neighbour(data: bytes) -> None:
    """Neighbour discovery is read for its target alone, and written with addresses, which its checksum is over."""
    try:
        question = nd.Solicitation.parse(data)
    except MalformedError:
        return
    written = question.encode(question.target, question.target)
    assert nd.Solicitation.parse(written) == question
    pseudo = question.target.packed * 2 + len(written).to_bytes(4, "big") + ip.ICMPV6.to_bytes(4, "big")
    assert internet_checksum(pseudo + written) == 0


# ---- what reads frames without a codec -------------------------------------------------------------------------------


def _macs(frame: bytes) -> None:
    for raw in (frame[:6], frame[6:12]):
        assert parse_mac(format_mac(raw)) == raw


def _tags(frame: bytes) -> None:
    """A tag that is put is the one that is taken, and what has none stays as it is."""
    rest, tag = ethernet.take_tag(frame)
    whole = ethernet.has_tag(frame) and len(frame) >= ethernet.HEADER_LENGTH + ethernet.TAG_LENGTH
    assert rest == ethernet.strip_tag(frame)
    assert (ethernet.put_tag(rest, tag) == frame) if whole else (rest == frame)
    assert ethernet.take_tag(ethernet.put_tag(frame, tag)) == (frame, tag)


def _flow(frame: bytes) -> None:
    assert flow.PORT_MIN <= flow.source_port(frame) <= flow.PORT_MAX


def _congestion(frame: bytes) -> None:
    """What a tunnel makes of a frame's ECN field is that field, and a header's checksum stays right or wrong."""
    assert ecn.outer_field(frame) in {ecn.NOT_ECT, ecn.ECT0, ecn.ECT1}
    for outer in range(4):
        out = ecn.taken_out(frame, outer)
        if out is None:
            assert (outer, ecn.field(frame)) == (ecn.CE, ecn.NOT_ECT)
        elif out != frame:
            assert ecn.field(out) == outer
            assert out[:14] == frame[:14]
            if frame[12:14] == b"\x08\0":
                assert bool(internet_checksum(out[14:34])) == bool(internet_checksum(frame[14:34]))


def _outer(frame: bytes) -> None:
    """Everything that may be asked of a packet of the underlay has an answer."""
    outer = read_outer(frame)
    if outer is None or outer.truncated or outer.bad_header:
        return
    assert outer.well_formed
    assert 0 <= outer.vni < 1 << 24
    assert len(outer.frame) >= ethernet.HEADER_LENGTH
    assert outer.frame in frame
    assert outer.bad_checksum in {True, False}


_SOURCES = tuple(
    Source(mac, prefix)
    for mac, prefix in ((packets.macs[0], "10.0.0.1/32"), (packets.macs[0], "fd00::/64"), (packets.macs[1], ""))
)
_KNOWN = {"10.0.0.2": packets.macs[1], "fd00::2": packets.macs[1]}


def _rules(frame: bytes) -> None:
    """Port security has a verdict on every frame, and an answer goes to who asked, from who was asked for."""
    assert security.may_leave(_SOURCES, frame) in {True, False}
    assert not security.may_leave((), frame)
    reply = answers.answer(_KNOWN, frame)
    if reply:
        assert (reply[:6], format_mac(reply[6:12])) == (frame[6:12], packets.macs[1])
        assert frame[0] & 1
        assert answers.answer(_KNOWN, reply) is None


_OF_FRAMES = (_macs, _tags, _flow, _congestion, _outer, _rules)
