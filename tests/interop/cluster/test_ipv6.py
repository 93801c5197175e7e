# SPDX-License-Identifier: Apache-2.0
"""A cluster whose hosts reach each other over IPv6: remotes, static entries and MTUs are those of that family."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.talking import ADDRESSES, all_agree, talk
from vxnet.lab import Lab
from vxnet.lab.cloud import Cloud

if TYPE_CHECKING:
    from pathlib import Path


def test_machines_talk_over_ipv6(tmp_path: Path) -> None:
    """The API's MTU leaves room for IPv6, machines reach each other in packets of that size, and all agree on it."""
    with Lab.unique("six") as lab, Cloud(lab, tmp_path, 2, ipv6=True) as cloud:
        network = talk(cloud)
        assert cloud.get(f"/v2.0/networks/{network}")["network"]["mtu"] == 1430
        assert lab["mh1"].ping(ADDRESSES["h2"], timeout=3)
        with lab["h1"].capture("eth0", tmp_path / "six.pcapng", matching="udp port 4789") as capture:
            assert lab["mh1"].ping(ADDRESSES["h2"], count=3, size=1430 - 28, df=True)
        assert set(capture.fields("ipv6.src", "ipv6.dst")) == {
            ("fd00:92::131", "fd00:92::132"),
            ("fd00:92::132", "fd00:92::131"),
        }
        shown = json.loads(cloud.hosts["h1"].vxnet("show", "--json").stdout)
        assert [remote["address"] for remote in shown["segments"][0]["remotes"]] == ["fd00:92::132"]
        all_agree(cloud)
