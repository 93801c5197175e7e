# SPDX-License-Identifier: Apache-2.0
"""The same commands, given to the real ovs-vswitchd and to each kind of switch, have the same effect.

Compared are: what `ovs-vsctl` prints and returns, the rows, the devices, and where frames come out with which tag and
VNI. What is allowed to differ is in `differences`, and in the table of docs/ovs.md with its reason.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.support.ports import BROADCAST, Ports, Seen, Sent, ports
from tests.support.vsctl_commands import BRIDGES, TAPS, VIDS, VNIS, sequences
from vxnet.lab.vswitch import OVS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = ("name", "type", "error", "ofport", "admin_state", "link_state", "mac_in_use", "mtu", "ofport_request")
REQUESTED = (91, 92, -1, 65534)
"""Port numbers that do not depend on what was there before."""


class Sides(NamedTuple):
    """The two hosts."""

    real: Ports
    other: Ports


@pytest.fixture(scope="module")
def sides(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """Build both."""
    folder: Path = tmp_path_factory.mktemp("differential")
    with ports(folder / "real", OVS, TAPS) as real, ports(folder / "other", kind, TAPS) as other:
        yield Sides(real, other)


def printed(host: Ports, words: str) -> tuple[int, str]:
    """Run a command; return its exit code and all it says, without the name of a log's folder."""
    done = host.switch.try_vsctl(words)
    said = re.sub(r'The default log directory is ".*"', "", done.stdout + done.stderr)
    return done.returncode, "\n".join(sorted(said.splitlines()))


def rows(host: Ports) -> dict[str, dict[str, Any]]:
    """Return what is compared of each interface."""
    shown = json.loads(host.vsctl(f"--format=json --columns={','.join(COLUMNS)} list interface"))
    found = {}
    for values in shown["data"]:
        row = dict(zip(shown["headings"], values, strict=True))
        differences(row)
        found[row["name"]] = row
    return found


def differences(row: dict[str, Any]) -> None:
    """Take out of a row what may differ; see docs/ovs.md."""
    if row["ofport"] not in REQUESTED:
        row["ofport"] = "some number"
    if not str(row["mac_in_use"]).startswith("02:11:22:33:44"):
        row["mac_in_use"] = "some MAC" if isinstance(row["mac_in_use"], str) else row["mac_in_use"]


def shown(host: Ports) -> list[str]:
    """Return what `ovs-vsctl show` shows, but UUIDs, the datapath's type, and the order of what has none."""
    text = re.sub(r"^[0-9a-f-]{36}\n|^ *(datapath_type|ovs_version): .*\n", "", host.vsctl("show"), flags=re.MULTILINE)
    bridges = re.split(r"^    (?=Bridge )", text, flags=re.MULTILINE)
    return sorted("".join(sorted(re.split(r"^        (?=Port )", bridge, flags=re.MULTILINE))) for bridge in bridges)


def devices(host: Ports) -> set[str]:
    """Return the names of the devices that the commands are about."""
    names = {link["ifname"] for link in json.loads(host.host.ip("-j", "link"))}
    return {name for name in names if re.fullmatch(r"[bit]\d", name)}


PROBES = (
    *(Sent(tap, tags, src=f"02:00:00:00:01:0{tap[1]}") for tap in TAPS for tags in ("-", *VIDS)),
    *(
        Sent(remote, tags, src=f"02:00:00:00:02:0{remote[1]}", vni=int(vni))
        for remote in ("h2", "h3")
        for vni in ("0", *VNIS)
        for tags in ("-", VIDS[0])
    ),
    Sent("t0", dst="01:80:c2:00:00:02"),
)
KNOWN = tuple(
    Sent(one, dst=f"02:00:00:00:01:0{other[1]}", src=f"02:00:00:00:01:0{one[1]}")
    for one in TAPS
    for other in TAPS
    if one != other
)


def probed(host: Ports) -> list[tuple[Sent, Seen]]:
    """Send frames everywhere, broadcasts first; return where they came out."""
    host.send(*PROBES)  # this one lets remotes be resolved
    frames = [*zip(PROBES, host.send(*PROBES), strict=True)]
    for tap in TAPS:  # in this order, for ports of two VLANs
        host.send(Sent(tap, src=f"02:00:00:00:01:0{tap[1]}", dst=BROADCAST))
    return [*frames, *zip(KNOWN, host.send(*KNOWN), strict=True)]


@given(sequence=sequences)
@example(sequence=["add-br b0 -- add-port b0 t0 -- add-port b0 t1 tag=10", "del-br b0 -- add-br b1 -- add-port b1 t0"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_same_commands_have_the_same_effect(sides: Sides, sequence: list[str]) -> None:
    """What can be seen is equal after each sequence, and what is said after each command."""
    for host in sides:
        host.clear()
    for words in sequence:
        assert printed(sides.other, words) == printed(sides.real, words), words
    for host in sides:  # an interface that lost to one that has gone since is tried again at the next change
        host.vsctl(f"set Open_vSwitch . external_ids:look={len(sequence)} -- remove Open_vSwitch . external_ids look")
        host.switch.settle()
        for bridge in BRIDGES:
            host.host.run("ip", "link", "set", bridge, "up", check=False)
    sides.real.lab.wait(lambda: rows(sides.other) == rows(sides.real), what=f"the rows to be equal after {sequence}")
    assert shown(sides.other) == shown(sides.real)
    assert devices(sides.other) == devices(sides.real)
    assert probed(sides.other) == probed(sides.real)
