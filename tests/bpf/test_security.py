# SPDX-License-Identifier: Apache-2.0
"""What vxnet_access lets out of a secured port, frame by frame, with the flow cache cold and warm (rule 8)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.board import BLUE, REMOTES, host_state, open_board
from tests.support.claims import ALLOWED, FREE, OWN, REFUSED, SOURCES, TO, WIDE, frame, ipv4, ipv6
from tests.support.trial import SHOT, trial
from vxnet.datapath.kernel import ACCESS
from vxnet.drops import drop_reason
from vxnet.model import FdbEntry, HostState, Port, Source
from vxnet.packet.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board

SPOOFED = Counter([drop_reason("SPOOFED")])
FAR, NEAR = TO, "02:00:00:00:00:77"
"""TO is behind a remote; the other one is at tap1."""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """tap0 is secured; frames to TO are wrapped."""
    with open_board("vxsec", tmp_path_factory.mktemp("security")) as board:
        board.bring(state())
        yield board


def state(sources: tuple[Source, ...] | None = SOURCES) -> HostState:
    """Return the state with these sources."""
    fdb = (
        FdbEntry(segment=BLUE.name, mac=FAR, remote=REMOTES[0]),
        FdbEntry(segment=BLUE.name, mac=NEAR, port="tap1"),
    )
    ports = (Port(device="tap0", segment=BLUE.name, sources=sources), Port(device="tap1", segment=BLUE.name))
    return replace(host_state(fdb=fdb), ports=ports)


def let_out(board: Board, packet: bytes, device: str = "tap0") -> bool:
    """Tell whether a frame left; if not, it was counted as spoofed, once, and nothing else was."""
    if ends_in_header(packet):
        # Newer kernels take none of these for a trial, but still from a device.
        before = board.drops()
        board.from_port(device, packet)
        drops = board.drops() - before
    else:
        seen = trial(board, ACCESS, packet, device)
        drops = seen.drops
        assert (seen.action == SHOT) == bool(drops) or packet[0] & 1
    assert drops in (Counter(), SPOOFED)
    return not drops


def ends_in_header(packet: bytes) -> bool:
    """Tell whether an IP header is not there whole."""
    return len(packet) < {b"\x08\0": 34, b"\x86\xdd": 54}.get(packet[12:14], 0)


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(board: Board, name: str) -> None:
    """It leaves, the first time and every other."""
    assert [let_out(board, ALLOWED[name]) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("name", REFUSED)
def test_refused(board: Board, name: str) -> None:
    """It is dropped, however often, and nothing is learned from it."""
    before = {bytes(key) for key, _ in board.maps.fdb.items()}
    assert [let_out(board, REFUSED[name]) for _ in range(3)] == [False] * 3
    assert {bytes(key) for key, _ in board.maps.fdb.items()} == before


@pytest.mark.parametrize("mac", [FAR, NEAR], ids=["far", "near"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_cached_flow_lets_nothing_else_out(board: Board, name: str, mac: str) -> None:
    """Between allowed frames of both families with the same pair of MACs, what is refused is refused."""
    src = format_mac(REFUSED[name][6:12])
    refused = parse_mac(mac) + REFUSED[name][6:]
    own = {OWN: ("10.0.0.1", "fd00::1"), WIDE: ("10.0.1.1", "fd00:1::1"), FREE: ("192.0.2.1", "2001:db8::1")}
    for _ in range(3):
        for address in own.get(src, ()):
            packet = ipv6(address) if ":" in address else ipv4(address)
            assert let_out(board, frame(packet, src, mac))
        assert not let_out(board, refused)


def test_an_allowance_opens_nothing(board: Board) -> None:
    """Asking for DHCP from 0.0.0.0 does not let other packets from there pass, nor DAD those from ::."""
    for name, other in (("dhcp-unicast", "ipv4-nobody"), ("dad", "ipv6-nobody")):
        assert let_out(board, parse_mac(FAR) + ALLOWED[name][6:])
        assert not let_out(board, parse_mac(FAR) + REFUSED[other][6:])


def test_allowed_sources_take_turns(board: Board) -> None:
    """Several sources of one MAC are allowed in any order, whichever is cached."""
    for last in (1, 2, 1, 1, 2, 2):
        assert let_out(board, frame(ipv4(f"10.0.1.{last}"), WIDE, FAR))
        assert let_out(board, frame(ipv6(f"fd00:1::{last}"), WIDE, FAR))


def test_a_change_holds_at_once(board: Board) -> None:
    """What has lost its source is refused, though it was cached a moment ago, and what has got one is let out."""
    packets = [frame(ipv4("10.0.0.1"), OWN, FAR), frame(ipv6("fd00::1"), OWN, FAR)]
    for _ in range(2):
        assert all(let_out(board, packet) for packet in packets)
        board.bring(state(SOURCES[:1]))
        assert [let_out(board, packet) for packet in packets * 2] == [True, False] * 2
        board.bring(state(()))
        assert not any(let_out(board, packet) for packet in packets)
        board.bring(state(None))
        assert let_out(board, REFUSED["ipv4-others"])
        board.bring(state())


def test_the_other_port_is_not_asked(board: Board) -> None:
    """A port without sources sends what it likes."""
    packets = [packet for packet in (*ALLOWED.values(), *REFUSED.values()) if not ends_in_header(packet)]
    assert all(let_out(board, packet, "tap1") for packet in packets)
