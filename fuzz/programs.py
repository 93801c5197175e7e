# SPDX-License-Identifier: Apache-2.0
"""The eBPF programs on packets that nobody would send, beside the reference switch.

packet --test run--> vxnet_access, vxnet_underlay    action, packet, drop      ==  what the reference makes of it
             `-- left to the VXLAN device --real packet--> vxnet_overlay       ==  the same

BPF_PROG_TEST_RUN carries no redirect out: where a frame would have gone is told by the counters of its member, which
are compared at the end of each round, with the FDB. Copies (flooding) are sent for real, and heard.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from fuzz import corpus, packets
from fuzz.mutation import mutated
from fuzz.scenes import SCENES
from tests.support.board import PORTS, UNDERLAY, UNDERLAY_MAC, next_hop_mac, open_board
from tests.support.trial import CONTEXT, REDIRECT, SHOT, UNSPEC
from tests.support.twins import NOW, Twins
from vxnet.datapath import kernel
from vxnet.datapath.libbpf import testrun
from vxnet.drops import DROP_REASONS
from vxnet.errors import KernelError
from vxnet.model import DOWN
from vxnet.packet import ecn, ethernet, ip, vxlan
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.mac import BROADCAST, parse_mac
from vxnet.packet.outer import read_outer
from vxnet.switch.outcome import LEFT_TO_HOST, ToPort

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.board import Board
    from vxnet.drops import DropReason
    from vxnet.model import HostState
    from vxnet.switch.outcome import Copy, Outcome

NAME = "programs"

PACKETS = 2000
"""How many a round tries in each scene."""


def run(rounds: Iterable[int], count: int = PACKETS) -> Counter[str]:
    """Try the corpus, then mutated packets, on a board of their own; return what became of them. Needs root."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, open_board("vxfuzz", Path(folder)) as board:
        for state in SCENES.values():
            seen += _tried(board, state, list(map(_named, corpus.kept(NAME).items())))
        for number in rounds:
            for state in SCENES.values():
                random = Random(number)
                seen += _tried(board, state, [_drawn(random) for _ in range(count)])
    return seen


Arrival = tuple[str, bytes]
"""The device that a packet arrives on, and the packet."""


def _named(kept: tuple[str, bytes]) -> Arrival:
    """Return a packet of the corpus; its name begins with its device."""
    name, packet = kept
    return name.partition("-")[0], packet


def _drawn(random: Random) -> Arrival:
    """Return a packet that is nearly right, and now and then quite right."""
    if random.random() < 0.5:
        frame = random.choice(packets.FRAMES)
        if random.random() < 0.9:
            frame = _for_somebody(random, mutated(random, frame, packets.ALL))
        return random.choice(PORTS), frame
    packet = random.choice(packets.PACKETS)
    if random.random() < 0.9:
        packet = _believable(random, packet, mutated(random, packet, packets.ALL))
    return UNDERLAY, packet


def _for_somebody(random: Random, frame: bytes) -> bytes:
    """Let most frames go from one known machine to another."""
    if random.random() < 0.3:
        return frame
    return b"".join(map(parse_mac, random.sample(packets.macs, 2))) + frame[12:]


def _believable(random: Random, good: bytes, packet: bytes) -> bytes:
    """Let most packets pass the first look: put outer Ethernet header, lengths and checksum right, or some of them."""
    packet = good[:14] + packet[14:] if random.random() < 0.8 else packet
    at_udp = 54 if packet[12:14] == b"\x86\xdd" else 34
    fixed = bytearray(packet)
    if len(packet) >= at_udp + 8 and random.random() < 0.6:
        fixed[at_udp + 4 : at_udp + 6] = (len(packet) - at_udp & 0xFFFF).to_bytes(2, "big")
        at, length = (16, len(packet) - 14) if at_udp == 34 else (18, len(packet) - 54)
        fixed[at : at + 2] = (length & 0xFFFF).to_bytes(2, "big")
    if len(packet) >= 34 and at_udp == 34 and random.random() < 0.8:
        fixed[24:26] = b"\0\0"
        fixed[24:26] = internet_checksum(bytes(fixed[14:34])).to_bytes(2, "big")
    return bytes(fixed)


def _tried(board: Board, state: HostState, arrivals: list[Arrival]) -> Counter[str]:
    """Bring the board to ``state`` anew, and let the packets arrive."""
    board.bring(DOWN)
    trials = Trials(board, state)
    seen: Counter[str] = Counter()
    with board.host.enter():
        for device, packet in arrivals:
            try:
                seen[trials.arrive(device, packet)] += 1
            except AssertionError as error:
                where = corpus.found(NAME, packet)
                error.add_note(f"on {device}: {packet.hex()}; it is in {where}; call it {device}-... in the corpus")
                raise
        trials.compare_reports()
    return seen


class Trials(Twins):
    """Both switches: the kernel's in test runs where they suffice."""

    def __init__(self, board: Board, state: HostState) -> None:
        """Bring the board to ``state``."""
        super().__init__(board, state, 0)
        self._counts = self._counted()

    def arrive(self, device: str, packet: bytes) -> str:
        """Let a packet arrive at both. Return what became of it, in a word; AssertionError unless it is the same."""
        if self.state.bridges and device != UNDERLAY:
            return self._bridged(device, packet)
        program = kernel.UNDERLAY if device == UNDERLAY else kernel.ACCESS
        try:
            action, after = self._test_run(program, device, packet)
        except KernelError:
            return "too short for a test run"
        before, self._counts = self._counts, self._counted()
        drops = self._counts - before
        if device == UNDERLAY:
            return self._arrived(packet, action, after, drops)
        return self._sent(device, packet, action, after, drops)

    def _test_run(self, program: str, device: str, packet: bytes) -> tuple[int, bytes]:
        parts = self.board.datapath._parts  # noqa: SLF001  (the fuzzer is a test, too)
        assert parts is not None
        context = CONTEXT.pack(self.board.index(device))
        action, after, _ = testrun.run(parts.program(program), packet, context)
        return action, after

    def _counted(self) -> Counter[DropReason]:
        """What the programs have dropped so far."""
        drops = self.board.maps.drops
        return Counter({reason: sum(cpu.frames for cpu in drops.get(reason.number)) for reason in DROP_REASONS})

    # ---- a frame from a port ----

    def _sent(self, device: str, frame: bytes, action: int, after: bytes, drops: Counter[DropReason]) -> str:
        if not any(port.device == device for port in self.state.ports):
            assert (action, after, drops) == (UNSPEC, frame, Counter())
            return "from no port"
        # The kernel takes a first tag off before a program sees the frame, but not in a test run.
        tagged = ethernet.put_tag(frame, ethernet.VlanTag(vid=0)) if ethernet.has_tag(frame) else frame
        expected = self.reference.from_port(device, tagged, NOW)
        assert drops == Counter([expected.drop] if expected.drop else [])
        if action == REDIRECT:
            self._compare_one(expected, after)
            return "forwarded"
        assert action == SHOT
        self._compare_heard(expected)
        return f"dropped: {expected.drop.name}" if expected.drop else "flooded"

    def _compare_one(self, expected: Outcome, after: bytes) -> None:
        """Compare what is handed on: to a port, to the next hop, or to the VXLAN device that wraps it."""
        assert expected.drop is None
        (copy,) = expected.copies
        assert after in self._forms(copy)
        assert not self.board.hear(0).count

    def _forms(self, copy: Copy) -> set[bytes]:
        if isinstance(copy, ToPort):
            return {copy.frame}
        if copy.remote.is_multicast:
            return {copy.frame}
        packet = self.reference.outer(copy)
        return {
            copy.frame,
            vxlan.onto_ethernet(packet, src_mac=UNDERLAY_MAC, dst_mac=next_hop_mac(copy.remote)),
        }

    def _compare_heard(self, expected: Outcome) -> None:
        heard = self.board.hear(len(expected.copies))
        to_ports = [copy for copy in expected.copies if isinstance(copy, ToPort)]
        assert heard.copies == Counter((copy.device, copy.frame) for copy in to_ports)
        self._compare_packets([copy for copy in expected.copies if not isinstance(copy, ToPort)], heard.packets)

    # ---- a frame from a bridge's port ----

    def _bridged(self, device: str, frame: bytes) -> str:
        """Send it for real: no test run has the tag beside the frame, as a port's frame has."""
        if not _is_forwarded_whole(frame):
            return "not for the kernel"
        self._drops = self.board.drops()
        outcome = self.from_port(device, frame)
        self._counts = self._counted()
        return f"dropped: {outcome.drop.name}" if outcome.drop else "bridged"

    # ---- a packet of the underlay ----

    def _arrived(self, packet: bytes, action: int, after: bytes, drops: Counter[DropReason]) -> str:
        for_us = packet[:6] == _OUR_MAC or (packet[0] & 1 and packet[:6] != _BROADCAST)
        ours = for_us and self._is_ours(packet)
        if not ours:
            assert (action, after, drops) == (UNSPEC, packet, Counter())
            return "left to the host"
        if action == UNSPEC and self.state.bridges and not _carries_whole(packet):
            return "not for the kernel"
        if action == UNSPEC:
            assert not drops
            assert _without_reserved(after) == _without_reserved(packet)
            self._drops = self.board.drops()
            self.from_underlay(packet)
            self._counts = self._counted()
            return "through the VXLAN device"
        expected = self.reference.from_underlay(packet, NOW)
        assert drops == Counter([expected.drop] if expected.drop else [])
        if action == REDIRECT:
            (copy,) = expected.copies
            assert isinstance(copy, ToPort)
            assert after == copy.frame
            return "unwrapped"
        assert action == SHOT
        assert expected.drop
        assert not expected.copies
        return f"dropped: {expected.drop.name}"

    def _is_ours(self, packet: bytes) -> bool:
        """Ask another reference switch, which learns nothing from it that counts."""
        return type(self.reference)(self.state).from_underlay(packet, NOW) != LEFT_TO_HOST

    def _compare_fdb(self) -> None:
        """Not after every packet: MACs are of all kinds here, and the whole FDB is compared at the end."""


def _is_forwarded_whole(frame: bytes) -> bool:
    """Tell whether the kernel takes a frame in, and its VXLAN device takes it: no end in its tags or its IP header.

    Tunnels of bridges leave it to the kernel what fits; what does not may come back as an error. Of a frame with two
    tags Linux takes the second one for an IP header, and has an outer ECN field from it.
    """
    rest = frame
    if ethernet.has_tag(frame) and not ecn.ends_in_header(frame):
        rest = ethernet.strip_tag(frame)
    return not ethernet.has_tag(rest) and not ecn.ends_in_header(rest) and _LEAST <= len(rest) <= _MOST


def _carries_whole(packet: bytes) -> bool:
    """Tell the same of the frame in a packet of the underlay; one that cannot be read is dropped before."""
    outer = read_outer(packet)
    return outer is None or not outer.well_formed or _is_forwarded_whole(outer.frame)


_LEAST, _MOST = 15, 1400
"""Bytes of frames that are sent for real."""

_OUR_MAC, _BROADCAST = parse_mac(UNDERLAY_MAC), parse_mac(BROADCAST)


def _without_reserved(packet: bytes) -> bytes:
    """Return a packet of the underlay without the reserved bits of its VXLAN header, and without its UDP checksum."""
    at = 14 + (ip.IPV6_HEADER_LENGTH if packet[12:14] == b"\x86\xdd" else ip.IPV4_HEADER_LENGTH)
    return packet[: at + 6] + packet[at + 12 : at + 15] + packet[at + 16 :]
