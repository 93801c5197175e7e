# SPDX-License-Identifier: Apache-2.0
"""The kernel takes the programs: the verifier has read every path through them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.board import host_state, open_board
from vxnet.datapath import attach, kernel
from vxnet.datapath.libbpf import loading, objects
from vxnet.datapath.maps import SIZES, Maps
from vxnet.model import VXLAN_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def loaded() -> Iterator[loading.Loaded]:
    """The programs and maps in the kernel, given back afterwards."""
    loaded = kernel.load()
    yield loaded
    loading.close(loaded)


def test_programs_and_maps(loaded: loading.Loaded) -> None:
    """Three programs for devices, two for the daemon; every map that Python knows, with the sizes it believes in."""
    assert set(loaded.programs) == {kernel.ACCESS, kernel.UNDERLAY, kernel.OVERLAY, kernel.ASK, kernel.SAY}
    assert set(SIZES) <= set(loaded.maps)
    for name, sizes in SIZES.items():
        info = objects.map_info(loaded.maps[name])
        assert (info.key_size, info.value_size) == sizes, name


def test_loading_again_takes_over_the_maps(loaded: loading.Loaded) -> None:
    """New programs over the same maps: what was learned and counted is theirs too."""
    maps = Maps({name: os.dup(fd) for name, fd in loaded.maps.items()})
    with maps:
        again = kernel.load(maps)
    try:
        for name in SIZES:
            assert objects.map_info(again.maps[name]).id == objects.map_info(loaded.maps[name]).id
    finally:
        loading.close(again)


def test_the_overlay_program_holds_every_map(tmp_path: Path) -> None:
    """Who finds this program, which is there as long as the VTEP is, finds all maps."""
    with open_board("vxbpf", tmp_path) as board:
        board.bring(host_state())
        overlay = board.index(kernel.overlay_name(VXLAN_PORT))
        with board.host.enter():
            (program,) = (found.program for found in attach.programs(overlay))
        assert program.name == kernel.OVERLAY
        assert set(program.map_ids) >= {objects.map_info(fd).id for fd in board.maps.fds.values()}
        assert len(program.map_ids) > len(board.maps.fds)
