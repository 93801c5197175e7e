# SPDX-License-Identifier: Apache-2.0
"""`ovs-vsctl` as scripts use it: options, chains, waiting; and which devices there are afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import REMOTES, Ports, Sent, ports

if TYPE_CHECKING:
    from collections.abc import Iterator

TUNNEL = f"-- set interface v2 type=vxlan options:remote_ip={REMOTES['h2']} options:key=2"


@pytest.fixture(scope="module")
def built(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Build the host."""
    with ports(tmp_path_factory.mktemp("commands") / "h1", kind, ("t0", "t1")) as made:
        yield made


@pytest.fixture
def host(built: Ports) -> Ports:
    """Return the host without bridges but br-phy."""
    built.clear()
    return built


def devices(host: Ports) -> set[str]:
    """Return the names of all devices that are neither the lab's nor the switch's own."""
    names = {link["ifname"] for link in json.loads(host.host.ip("-j", "link"))}
    return {
        name
        for name in names
        if name not in {"lo", "eth0", "br-phy"} and name[:4] not in {"ovs-", "vxne"} and name[:3] != "vx-"
    }


def test_may_exist(host: Ports) -> None:
    """--may-exist does a second time nothing, and nothing is lost meanwhile."""
    words = f"--may-exist add-br br0 -- --may-exist add-port br0 t0 -- --may-exist add-port br0 v2 {TUNNEL}"
    host.vsctl(words)
    before = host.vsctl("--columns=name,ofport,error,mac_in_use list interface")
    host.warm(remotes=["h2"])
    host.vsctl(words)
    assert host.vsctl("--columns=name,ofport,error,mac_in_use list interface") == before
    assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]


def test_if_exists(host: Ports) -> None:
    """--if-exists deletes what is there and takes what is not."""
    host.vsctl("add-br br0 -- add-port br0 t0")
    host.vsctl("--if-exists del-port nobody -- --if-exists del-port br0 t0 -- --if-exists del-br nobody")
    assert host.vsctl("list-ports br0") == ""
    for words in ("del-port nobody", "del-br nobody"):
        assert host.switch.try_vsctl(words).returncode == 1


def test_a_chain_is_one_change(host: Ports) -> None:
    """All of a chain is done, or, when one command of it cannot be, nothing."""
    host.vsctl(f"add-br br0 -- add-port br0 t0 tag=5 -- add-port br0 v2 tag=5 {TUNNEL}")
    host.warm(remotes=["h2"])
    assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]
    assert host.switch.try_vsctl("del-port t0 -- add-br b1 -- del-port nobody").returncode == 1
    assert host.vsctl("list-br").split() == ["br-phy", "br0"]
    assert "b1" not in devices(host)
    assert host.send(Sent("t0"), expecting=1) == [{"h2": "2 -"}]


def test_a_port_replaced_in_one_change(host: Ports) -> None:
    """A port that is deleted and added by one command, in another bridge, is there and nowhere else."""
    host.vsctl(f"add-br br0 -- add-port br0 t0 -- add-port br0 v2 {TUNNEL} -- add-br b1 -- add-port b1 t1")
    host.warm(remotes=["h2"])
    host.vsctl("del-port t0 -- add-port b1 t0")
    assert host.send(Sent("t0"), expecting=1) == [{"t1": "-"}]
    assert host.send(Sent("h2", vni=2)) == [{}]


def test_a_bridge_and_its_devices(host: Ports) -> None:
    """A bridge and its internal ports are devices; del-br takes them away, and leaves those it has not made."""
    before = devices(host)
    host.vsctl("add-br br0 -- add-port br0 t0 -- add-port br0 i0 -- set interface i0 type=internal")
    assert devices(host) == before | {"br0", "i0"}
    host.vsctl("del-br br0")
    assert devices(host) == before >= {"t0", "t1"}


def test_addresses_on_the_bridge(host: Ports) -> None:
    """What is in a TAP reaches the host's own address on the bridge, and keeps doing so while ports come and go."""
    host.vsctl("add-br br0 -- add-port br0 t0")
    host.host.ip("address", "add", "10.1.1.1/24", "dev", "br0")
    host.host.ip("link", "set", "br0", "up")
    host.vsctl("add-port br0 t1 -- add-port br0 i0 -- set interface i0 type=internal")
    host.vsctl("del-port t1 -- set port t0 tag=7 -- set port br0 tag=7")
    assert "10.1.1.1/24" in host.host.ip("-br", "address", "show", "br0")


def test_wait_until(host: Ports) -> None:
    """wait-until sees what the switch writes, and a bridge that another command adds."""
    host.vsctl("add-br br0 -- add-port br0 t0")
    assert host.switch.try_vsctl("wait-until interface t0 link_state=up").returncode == 0
    assert host.switch.try_vsctl("wait-until bridge br0").returncode == 0
    waiting = host.host.popen(
        "ovs-vsctl", "--timeout=10", "wait-until", "interface", "t1", "ofport>0", env=host.switch.env
    )
    host.vsctl("add-port br0 t1")
    assert waiting.wait(10) == 0


def test_get_and_find(host: Ports) -> None:
    """Agents look for ports by what they have put there themselves, and get back what they set."""
    host.vsctl("add-br br0 -- add-port br0 t0 -- set interface t0 external_ids:iface-id=vm-1 -- set port t0 tag=9")
    found = host.vsctl("--bare --columns=name find interface external_ids:iface-id=vm-1")
    assert (found.strip(), host.vsctl("get port t0 tag").strip()) == ("t0", "9")
    assert host.vsctl("iface-to-br t0").strip() == "br0"
    assert host.vsctl("port-to-br t0").strip() == "br0"
    host.vsctl("br-set-external-id br0 owner me")
    assert host.vsctl("br-get-external-id br0 owner").strip() == "me"


def test_no_wait(host: Ports) -> None:
    """With --no-wait the command is done at once and the switch soon after."""
    host.vsctl("--no-wait add-br br0 -- add-port br0 t0")
    host.lab.wait(lambda: "br0" in devices(host), what="the bridge")


def test_a_fake_bridge_is_a_vlan(host: Ports) -> None:
    """`add-br VLAN-BRIDGE PARENT VID`: its ports are access ports of the parent."""
    host.vsctl(f"add-br br0 -- add-port br0 t0 -- add-port br0 v2 {TUNNEL}")
    host.vsctl("add-br br0-10 br0 10 -- add-port br0-10 t1")
    host.warm(remotes=["h2"])
    assert host.send(Sent("t1"), expecting=2) == [{"t0": "10", "h2": "2 10"}]
    assert host.vsctl("list-br").split() == ["br-phy", "br0", "br0-10"]


def test_emer_reset_leaves_ports(host: Ports) -> None:
    """`emer-reset` takes settings away, not ports."""
    host.vsctl(f"add-br br0 -- add-port br0 t0 -- add-port br0 v2 {TUNNEL}")
    host.vsctl("emer-reset")
    assert host.vsctl("list-ports br0").split() == ["t0", "v2"]
    host.warm(remotes=["h2"])
