# SPDX-License-Identifier: Apache-2.0
"""What vxnet_underlay does with single packets: drops with a reason, leaves alone, cleans, or hands over.

The board has port tap0 in segment blue (VNI 10, two remotes) and segment green (VNI 20, group 239.1.1.1); MAC_A is at
tap0.
"""

from __future__ import annotations

import os
import struct
import time
from collections import Counter
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.board import BLUE, GREEN, LOCAL, REMOTES, UNDERLAY, UNDERLAY_MAC, host_state, open_board
from tests.support.running import wait
from tests.support.trial import CONTEXT, REDIRECT, SHOT, UNSPEC, Trial, trial
from tests.support.wire import REMOTE, outer
from tests.unit.frames import GROUP, MAC_A, MAC_B, frame, udp_frame
from vxnet.datapath.kernel import UNDERLAY as PROGRAM
from vxnet.datapath.libbpf import testrun
from vxnet.drops import drop_reason
from vxnet.model import FdbEntry
from vxnet.packet import ip, udp
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.mac import BROADCAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board

AT_IP, AT_UDP, AT_VXLAN, AT_INNER = 14, 34, 42, 50


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A host whose state no test here changes."""
    static = FdbEntry(segment=BLUE.name, mac=MAC_B, port="tap0")
    with open_board("vxbpf", tmp_path_factory.mktemp("bpf")) as board:
        board.bring(host_state("tap0", fdb=(static,)))
        yield board


def patched(packet: bytes, at: int, value: bytes) -> bytes:
    """Return the packet with ``value`` at ``at``, and the right IPv4 header checksum."""
    changed = bytearray(packet)
    changed[at : at + len(value)] = value
    changed[24:26] = b"\0\0"
    changed[24:26] = internet_checksum(bytes(changed[14:34])).to_bytes(2, "big")
    return bytes(changed)


KNOWN = outer(udp_frame())  # from MAC_A to MAC_B, who is at tap0
LONG = outer(udp_frame(payload=bytes(100)))
FLOODED = outer(frame(MAC_A, BROADCAST))


def run(board: Board, packet: bytes) -> Trial:
    """Let the program look at a packet that arrives on the underlay device."""
    return trial(board, PROGRAM, packet, UNDERLAY)


def assert_dropped(seen: Trial, reason: str) -> None:
    """Assert that the packet was dropped and counted under ``reason``, once, and under no other."""
    assert (seen.action, seen.drops) == (SHOT, Counter([drop_reason(reason)]))


def assert_left_alone(seen: Trial, packet: bytes) -> None:
    """Assert that the host and other programs see the packet as if there were no vxnet."""
    assert (seen.action, seen.packet, seen.drops) == (UNSPEC, packet, Counter())


# ---- handed over ----


def test_known_unicast_is_unwrapped(board: Board) -> None:
    """A plain packet for a MAC at a port leaves as the frame it carries, the first and every other."""
    for _ in range(3):
        seen = run(board, KNOWN)
        assert (seen.action, seen.packet, seen.drops) == (REDIRECT, udp_frame(), Counter())


@pytest.mark.parametrize("size", [*range(20), 21, 40, 100])
def test_any_size_of_tenant_packet(board: Board, size: int) -> None:
    """However short the tenant's packet is, the frame is unwrapped whole, or left to the VXLAN device whole."""
    inner = udp_frame()[: 14 + size]
    seen = run(board, outer(inner))
    assert (seen.action, seen.packet) in {(REDIRECT, inner), (UNSPEC, outer(inner))}
    assert (seen.action == REDIRECT) == (size > 20)
    assert not seen.drops


@pytest.mark.parametrize(("inner", "around"), [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 0), (2, 2), (3, 1), (3, 2)])
def test_ecn_that_changes_nothing(board: Board, inner: int, around: int) -> None:
    """RFC 6040, figure 4: where the outer field has nothing to tell, the tenant's packet stays as it is."""
    seen = run(board, outer(with_ecn(inner), tos=around))
    assert (seen.action, seen.packet) == (REDIRECT, with_ecn(inner))


def with_ecn(field: int) -> bytes:
    """Return the frame of a known flow with this ECN field."""
    packet = ip.IPv4.parse(udp_frame()[14:])
    return udp_frame()[:14] + replace(packet, tos=field).encode()


# ---- the VXLAN device's ----


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(FLOODED, id="BUM"),
        pytest.param(outer(frame(MAC_A, MAC_B)), id="known unicast that is not IP"),
        # From another sender: what follows such a packet goes the same way for a moment.
        pytest.param(outer(udp_frame(), tos=3, src=REMOTES[1]), id="marked by a router (RFC 6040)"),
        pytest.param(outer(with_ecn(2), tos=1, src=REMOTES[1]), id="ECT(1) around ECT(0) (RFC 6040)"),
        pytest.param(outer(frame(MAC_A, BROADCAST), vni=GREEN.vni, dst=GROUP), id="to a group"),
        pytest.param(KNOWN + b"padding", id="padded"),
        pytest.param(patched(LONG, AT_UDP + 6, b"\x12\x34"), id="long and with a UDP checksum, right or wrong"),
    ],
)
def test_slow_path(board: Board, packet: bytes) -> None:
    """What the fast path is not made for goes up to the kernel's VXLAN device as it came."""
    assert_left_alone(run(board, packet), packet)


def test_order_behind_a_packet_of_the_slow_path(board: Board) -> None:
    """For 20 ms, what follows a marked packet between the same MACs goes up behind it; then it is unwrapped again.

    The clock is the programs' own, read before and after each run. A run during which the moment may have ended proves
    nothing; so where a machine is too slow for two runs in it, there are more, until some have proved that too.
    """
    plain, marked = (outer(udp_frame(), src=REMOTES[1], tos=tos) for tos in (0, 3))

    def proved_both() -> bool:
        _, first, last = timed(board, marked)
        behind = 0
        while True:
            action, before, after = timed(board, plain)
            if after - first < MOMENT:
                assert action == UNSPEC
                behind += 1
            elif before - last >= MOMENT:
                assert action == REDIRECT
                return behind > 0

    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})  # each CPU has a cache of its own
    try:
        assert_left_alone(run(board, marked), marked)
        wait(proved_both, "two runs to be done within 20 ms", timeout=60.0)
    finally:
        os.sched_setaffinity(0, everywhere)


MOMENT = 20_000_000
"""Nanoseconds: SLOW_PATH_DRAINS of underlay.h."""
MONOTONIC_COARSE = 6
"""The clock of bpf_ktime_get_coarse_ns() (linux/time.h): it goes on by ticks."""


def timed(board: Board, packet: bytes) -> tuple[int, int, int]:
    """Do as `run` does, in as little time as can be; return the action, and the clock before and after, in ns."""
    parts = board.datapath._parts
    assert parts is not None
    program, context = parts.program(PROGRAM), CONTEXT.pack(board.index(UNDERLAY))
    with board.host.enter():
        before = time.clock_gettime_ns(MONOTONIC_COARSE)
        action, _, _ = testrun.run(program, packet, context)
        return action, before, time.clock_gettime_ns(MONOTONIC_COARSE)


@pytest.mark.parametrize("checksum", [False, True])
def test_reserved_bits_are_cleared(board: Board, checksum: bool) -> None:  # noqa: FBT001
    """RFC 7348, section 5: ignored on receipt. The kernel refuses them, so it does not get to see them."""
    dirty = patched(patched(FLOODED, AT_VXLAN, b"\xff\xff\xff\xff"), AT_VXLAN + 7, b"\xff")
    clean = FLOODED
    if checksum:
        dirty, clean = with_udp_checksum(dirty), with_udp_checksum(clean)
    seen = run(board, dirty)
    assert (seen.action, seen.packet, seen.drops) == (UNSPEC, clean, Counter())


def test_reserved_bits_do_not_matter_to_the_fast_path(board: Board) -> None:
    """The same, for a packet that is unwrapped at once."""
    dirty = patched(patched(KNOWN, AT_VXLAN, b"\xf8\x01\x02\x03"), AT_VXLAN + 7, b"\x55")
    seen = run(board, dirty)
    assert (seen.action, seen.packet, seen.drops) == (REDIRECT, udp_frame(), Counter())


def with_udp_checksum(packet: bytes) -> bytes:
    """Return the packet with the UDP checksum that a sender computes."""
    datagram = udp.Udp.parse(packet[AT_UDP:]).with_checksum(REMOTE, LOCAL)
    return packet[:AT_UDP] + datagram.encode()


def test_checksum_that_a_device_would_have_finished(board: Board) -> None:
    """A sender on this machine leaves the sum over the addresses alone in the field; the kernel knows of it."""
    datagram = KNOWN[AT_UDP:]
    pseudo = REMOTE.packed + LOCAL.packed + struct.pack("!HH", 17, len(datagram))
    packet = patched(KNOWN, AT_UDP + 6, (0xFFFF - internet_checksum(pseudo)).to_bytes(2, "big"))
    assert_left_alone(run(board, packet), packet)


@pytest.mark.parametrize("protocol", [ip.TCP, ip.UDP])
def test_inner_checksum_that_a_device_would_have_finished(board: Board, protocol: int) -> None:
    """The outer checksum is then that of the finished packet (local checksum offload), and is not taken for wrong."""
    l4, at = (bytearray(20), 16) if protocol == ip.TCP else (bytearray(b"\x03\xe9\x07\xd0\0\x0a\0\0ok"), 6)
    ends = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
    pseudo = b"".join(end.packed for end in ends) + struct.pack("!HH", protocol, len(l4))

    def packet(checksum: int) -> bytes:
        l4[at : at + 2] = checksum.to_bytes(2, "big")
        inner = ip.IPv4(src=ends[0], dst=ends[1], protocol=protocol, payload=bytes(l4)).encode()
        return with_udp_checksum(outer(udp_frame()[:14] + inner))

    finished = packet(internet_checksum(pseudo + l4))
    left = packet(0xFFFF - internet_checksum(pseudo))
    offloaded = patched(left, AT_UDP + 6, finished[AT_UDP + 6 : AT_UDP + 8])
    assert offloaded != left
    assert_left_alone(run(board, offloaded), offloaded)
    assert_dropped(run(board, patched(finished, AT_UDP + 6, left[AT_UDP + 6 : AT_UDP + 8])), "BAD_CHECKSUM")


# ---- left alone ----


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(patched(KNOWN, AT_IP + 6, b"\x20\x00"), id="first fragment"),
        pytest.param(patched(KNOWN, AT_IP + 6, b"\x00\x07"), id="later fragment"),
        pytest.param(outer(udp_frame(), options=b"\1\1\1\1"), id="IP options"),
        pytest.param(patched(KNOWN, AT_UDP + 2, struct.pack("!H", 4790)), id="other UDP port"),
        pytest.param(outer(udp_frame(), dst=IPv4Address("192.168.146.77")), id="other address"),
        pytest.param(outer(udp_frame(), dst=IPv4Address("239.9.9.9")), id="other group"),
        pytest.param(outer(udp_frame(), dst=IPv4Address("239.129.1.1")), id="other group with the same MAC"),
        pytest.param(outer(udp_frame(), src=LOCAL), id="from our own address"),
        pytest.param(outer(udp_frame(), src=IPv4Address("127.0.0.1")), id="from no possible address"),
        pytest.param(patched(KNOWN, AT_IP + 9, b"\x06"), id="TCP"),
        pytest.param(b"\x06" + KNOWN[1:], id="for another MAC"),
        pytest.param(patched(KNOWN, AT_IP, b"\x65"), id="IP version 6 in the EtherType of 4"),
        pytest.param(KNOWN[:12] + b"\x86\xdd" + KNOWN[14:], id="IPv6"),
        pytest.param(frame(MAC_A, UNDERLAY_MAC), id="not IP"),
    ],
)
def test_left_alone(board: Board, packet: bytes) -> None:
    """What is none of our business is neither changed nor counted."""
    assert_left_alone(run(board, packet), packet)


# ---- dropped ----


@pytest.mark.parametrize("length", range(14, 65))
@pytest.mark.parametrize("inner", [udp_frame(), frame(MAC_A, BROADCAST)], ids=["known", "flooded"])
def test_truncated_at_every_length(board: Board, inner: bytes, length: int) -> None:
    """Cut off anywhere in its headers, a packet is dropped once its UDP header is there, and left alone before."""
    packet = outer(inner)[:length]
    if length < AT_UDP:
        # The kernel makes no test run of these. Sent for real, they are the host's to drop.
        before = board.drops()
        board.from_underlay(packet)
        assert (board.drops(), board.hear(0).count) == (before, 0)
    elif length < AT_VXLAN:
        assert_left_alone(run(board, packet), packet)
    else:
        assert_dropped(run(board, packet), "TRUNCATED")


@pytest.mark.parametrize("length", range(AT_VXLAN, 65))
def test_short_but_whole(board: Board, length: int) -> None:
    """Lengths that agree do not help a packet that has no room for an Ethernet header inside."""
    ip_length = struct.pack("!H", length - AT_IP)
    packet = patched(patched(KNOWN[:length], AT_IP + 2, ip_length), AT_UDP + 4, struct.pack("!H", length - AT_UDP))
    if length < AT_INNER + 14:
        assert_dropped(run(board, packet), "TRUNCATED")
    else:
        assert_left_alone(run(board, packet), packet)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        pytest.param(KNOWN[:-1], "TRUNCATED", id="a byte is missing"),
        pytest.param(patched(KNOWN, AT_UDP + 4, b"\0\x1d"), "TRUNCATED", id="UDP length 29"),
        pytest.param(patched(KNOWN, AT_UDP + 4, b"\0\0"), "TRUNCATED", id="UDP length 0"),
        pytest.param(patched(KNOWN, AT_IP + 2, b"\0\x31"), "TRUNCATED", id="IP length 49"),
        pytest.param(patched(KNOWN, AT_IP + 2, b"\xff\xff"), "TRUNCATED", id="IP length beyond the end"),
        pytest.param(patched(KNOWN, AT_UDP + 4, b"\0\x1e"), "BAD_HEADER", id="UDP length below IP's"),
        pytest.param(patched(KNOWN, AT_UDP + 4, b"\xff\xff"), "BAD_HEADER", id="UDP length above IP's"),
        pytest.param(patched(KNOWN, AT_VXLAN, b"\0"), "BAD_HEADER", id="no I flag"),
        pytest.param(patched(KNOWN, AT_VXLAN, b"\xf7\xff\xff\xff"), "BAD_HEADER", id="every flag but I"),
        pytest.param(outer(udp_frame(), vni=0), "UNKNOWN_VNI", id="VNI 0"),
        pytest.param(outer(udp_frame(), vni=11), "UNKNOWN_VNI", id="VNI 11"),
        pytest.param(outer(udp_frame(), vni=2**24 - 1), "UNKNOWN_VNI", id="VNI 2^24 - 1"),
        pytest.param(outer(udp_frame(), vni=0, dst=GROUP), "UNKNOWN_VNI", id="VNI 0 to a group"),
        pytest.param(outer(udp_frame(), vni=BLUE.vni, dst=GROUP), "UNKNOWN_VNI", id="VNI of another group"),
        pytest.param(patched(FLOODED, AT_VXLAN, b"\0"), "BAD_HEADER", id="BUM without I flag"),
        pytest.param(patched(KNOWN, AT_UDP + 6, b"\x12\x34"), "BAD_CHECKSUM", id="short, wrong UDP checksum"),
        pytest.param(KNOWN[:24] + b"\x12\x34" + KNOWN[26:], "BAD_CHECKSUM", id="wrong IPv4 checksum"),
        pytest.param(patched(outer(udp_frame(), vni=11), AT_UDP + 6, b"\1\2"), "UNKNOWN_VNI", id="VNI before checksum"),
    ],
)
def test_malformed(board: Board, packet: bytes, reason: str) -> None:
    """Every malformed packet for us is dropped, and counted once, under the first reason that holds."""
    assert_dropped(run(board, packet), reason)
    assert_dropped(run(board, packet), reason)
