# SPDX-License-Identifier: Apache-2.0
"""A server whose SQLite file is on a disk that fills up: it says so, reads on, and goes on once there is room."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.talking import ACTIVE, BACK, all_agree, bound, knows, statuses, talk, unbroken
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MUCH = {"networks": [{"description": "x" * 250}] * 200}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a small file system."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=3m", "vxnet-test", str(folder)), check=True)
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


@pytest.fixture(scope="module")
def cloud(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Build a cloud of two hosts that talk, and whose store is on that file system; 1 MB of it is used otherwise."""
    (disk / "ballast").write_bytes(bytes(1_000_000))
    store = f"sqlite://{disk}/cluster.db"
    with Lab.unique("disk") as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), 2, store=store) as cloud:
        talk(cloud)
        yield cloud


@contextmanager
def full(cloud: Cloud, disk: Path) -> Iterator[set[str]]:
    """Fill the disk by what is created; yield the ids of the networks that are there. At the end there is room."""
    try:
        there = {network["id"] for network in cloud.get("/v2.0/networks")["networks"]}
        while (answer := cloud.ask("POST", "/v2.0/networks", MUCH)).status_code == 201:
            there |= {network["id"] for network in answer.json()["networks"]}
        assert answer.status_code == 503
        assert "no room" in answer.json()["NeutronError"]["message"]
        # What is smaller may still have found some room.
        while (answer := cloud.ask("POST", "/v2.0/networks", {"network": {}})).status_code == 201:
            there.add(answer.json()["network"]["id"])
        assert answer.status_code == 503
        yield there
    finally:
        (disk / "ballast").unlink(missing_ok=True)


def networks(cloud: Cloud) -> set[str]:
    """Return the ids of all networks."""
    return {network["id"] for network in cloud.get("/v2.0/networks")["networks"]}


def test_no_room(cloud: Cloud, disk: Path) -> None:
    """Without room, 503 and nothing half made; hosts go on, lists too, even those of a server started meanwhile.

    With room again all that was answered is there, and changes arrive at hosts.
    """
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    with unbroken(cloud):
        with full(cloud, disk) as there:
            assert networks(cloud) == there
            cloud.server.kill()
            cloud.server.start()
            cloud.wait(lambda: len(cloud.listening()) == 2, "the agents to listen", BACK)
            cloud.wait(lambda: statuses(cloud) == ACTIVE, "ports to be ACTIVE", BACK)
            assert networks(cloud) == there
            assert cloud.ask("POST", "/v2.0/networks", MUCH).status_code == 503
        port = bound(cloud, network, "after", "h1")
        knows(cloud, "h1", port)
    assert networks(cloud) == there
    assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204
    all_agree(cloud)
