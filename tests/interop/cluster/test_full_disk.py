# SPDX-License-Identifier: Apache-2.0
"""A server whose SQLite file is on a disk that fills up: it says so, reads on, and goes on once there is room."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from vxnet.lab.apiserver import ApiServer
from vxnet.lab.vswitch import vxnet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a small file system."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=3m", "vxnet-test", str(folder)), check=True)
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_no_room(disk: Path, tmp_path: Path) -> None:
    """Without room, 503 and nothing half made; lists go on; with room again all that was answered is there."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    store = f"sqlite://{disk}/cluster.db"
    with ApiServer(tmp_path, store) as server:
        headers = {"X-Auth-Token": server.add_token("tests", "admin", "admin")}
        with httpx.Client(base_url=f"{server.url}/v2.0", headers=headers, timeout=30, trust_env=False) as client:
            made, refused = 0, None
            while refused is None:
                answer = client.post("/networks", json={"networks": [{"description": "x" * 250}] * 200})
                if answer.status_code == 201:
                    made += len(answer.json()["networks"])
                else:
                    refused = answer
            assert refused.status_code == 503
            assert "no room" in refused.json()["NeutronError"]["message"]
            assert len(client.get("/networks").json()["networks"]) == made
            assert client.post("/networks", json={"networks": [{"description": "x" * 250}] * 200}).status_code == 503
            ballast.unlink()
            assert client.post("/networks", json={"network": {}}).status_code == 201
            assert len(client.get("/networks").json()["networks"]) == made + 1
        words = (*vxnet(), "cluster", "check", "--store", store)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
