# SPDX-License-Identifier: Apache-2.0
"""A daemon keeps a few of root's capabilities, gets none back, and does all of its work with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.running import Pair, pair_in, wait
from vxnet.daemon import privileges

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two hosts with daemons."""
    with pair_in(tmp_path_factory.mktemp("rights"), "vxrights") as pair:
        yield pair


def status(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process, by its words there."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_few_capabilities_are_left(pair: Pair) -> None:
    """Effective, permitted and bounding set are those that are named, none is inherited, and no more can be got."""
    here = int(status(os.getpid())["CapPrm"], 16)  # a container's root may lack some
    mask = f"{here & sum(1 << capability for capability in privileges.KEPT):016x}"
    for host in (pair.h1, pair.h2):
        said = status(host.pid)
        assert (said["CapEff"], said["CapPrm"], said["CapBnd"]) == (mask,) * 3
        assert (said["CapInh"], said["CapAmb"]) == ("0" * 16,) * 2
        assert said["NoNewPrivs"] == "1"


def test_repairs_need_no_more(pair: Pair) -> None:
    """What somebody takes apart is mended by a daemon with those few, the VXLAN device made anew included."""
    assert pair.a.ping(pair.b, timeout=3)
    pair.h1.node.ip("link delete vxnet4789")
    wait(lambda: pair.h1.changes(pair.one) == (), "the daemon to repair")
    assert pair.a.ping(pair.b, timeout=3)
    assert pair.c.ping(pair.d, timeout=3)
