# SPDX-License-Identifier: Apache-2.0
"""Tunnels as ports of a bridge: who hears what, which VNI is sent and taken, and what the outer header says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.ports import LOCAL, REMOTES, Ports, Remote, Sent, ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAPS = ("t0", "t1")
NEAR, FAR = "02:00:00:00:00:31", "02:00:00:00:00:32"


@pytest.fixture(scope="module")
def built(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Build the host."""
    with ports(tmp_path_factory.mktemp("tunnels") / "h1", kind, TAPS) as made:
        yield made


@pytest.fixture
def host(built: Ports) -> Ports:
    """Return the host with a bridge anew: two TAPs, a tunnel to h2 with key 2 and one to h3 with key 3."""
    built.clear()
    built.vsctl(
        "add-br br0 -- add-port br0 t0 -- add-port br0 t1 "
        f"-- add-port br0 v2 -- set interface v2 type=vxlan options:remote_ip={REMOTES['h2']} options:key=2 "
        f"-- add-port br0 v3 -- set interface v3 type=vxlan options:remote_ip={REMOTES['h3']} options:key=3"
    )
    built.warm()
    return built


def options(host: Ports, *settings: str, remote: str = str(REMOTES["h2"])) -> None:
    """Give the tunnel v2 these options and its remote, and no others."""
    words = (f"options:{word}" for word in (f"remote_ip={remote}", *settings))
    host.vsctl(f"clear interface v2 options -- set interface v2 {' '.join(words)}")
    assert host.vsctl("get interface v2 error").strip() == "[]"


def test_there_is_no_split_horizon(host: Ports) -> None:
    """What comes from one tunnel goes to all ports of the bridge and to the other tunnel too."""
    broadcast, unknown = host.send(
        Sent("h2", src=FAR, vni=2), Sent("h2", dst="02:00:00:00:00:99", src=FAR, vni=2), expecting=6
    )
    assert broadcast == unknown == {"t0": "-", "t1": "-", "h3": "3 -"}


def test_known_unicast_goes_to_its_one_place(host: Ports) -> None:
    """From TAP to tunnel, from tunnel to TAP, and from tunnel to tunnel; never back to where it came from."""
    host.send(Sent("h2", src=FAR, vni=2), Sent("t0", src=NEAR), expecting=6)
    out, back, across, same, self = host.send(
        Sent("t0", dst=FAR, src=NEAR),
        Sent("h2", dst=NEAR, src=FAR, vni=2),
        Sent("h3", dst=FAR, src="02:00:00:00:00:33", vni=3),
        Sent("h2", dst=FAR, src="02:00:00:00:00:34", vni=2),
        Sent("t0", dst=NEAR, src=NEAR),
        expecting=3,
    )
    assert (out, back, across, same, self) == ({"h2": "2 -"}, {"t0": "-"}, {"h2": "2 -"}, {}, {})


def test_a_move_is_learned_at_once(host: Ports) -> None:
    """A MAC that speaks from another port is there from then on."""
    for at in ("t0", "t1"):
        host.send(Sent(at, src=NEAR), expecting=3)
    (found,) = host.send(Sent("h2", dst=NEAR, src=FAR, vni=2), expecting=1)
    assert found == {"t1": "-"}


def test_a_port_that_goes_is_forgotten(host: Ports) -> None:
    """What was learned at a port goes with it: its MACs are unknown again."""
    host.send(Sent("t0", src=NEAR), expecting=3)
    host.vsctl("del-port t0")
    (found,) = host.send(Sent("h2", dst=NEAR, src=FAR, vni=2), expecting=2)
    assert found == {"t1": "-", "h3": "3 -"}


@pytest.mark.parametrize(
    "frame",
    [
        Sent("h2", vni=3),
        Sent("h2", vni=4),
        Sent("h3", vni=2),
        Sent("h2", vni=2, flags=0),
        Sent("h2", vni=2, src="02:00:00:00:00:35", dst="02:00:00:00:00:35"),
    ],
    ids=["key-of-the-other", "key-of-nobody", "other-remote", "no-vni", "to-itself"],
)
def test_what_is_not_taken(host: Ports, frame: Sent) -> None:
    """A packet is taken by the tunnel of its VNI and its remote, or by none."""
    host.send(Sent("h2", vni=2, src="02:00:00:00:00:35"), expecting=3)
    assert host.send(frame) == [{}]


def test_group_source_is_not_learned(host: Ports) -> None:
    """A frame from a group address is passed on, and the address stays unknown."""
    (passed,) = host.send(Sent("t0", src="03:00:00:00:00:01"), expecting=3)
    (unknown,) = host.send(Sent("t1", dst="03:00:00:00:00:01"), expecting=3)
    assert passed.keys() == {"t1", "h2", "h3"}
    assert unknown.keys() == {"t0", "h2", "h3"}


RESERVED = [f"01:80:c2:00:00:{last:02x}" for last in range(0x10)]


def test_reserved_addresses(host: Ports) -> None:
    """Frames to the reserved group addresses stay out, unless forward-bpdu lets them pass; the next one passes."""
    *reserved, other = host.send(*(Sent("t0", dst=mac) for mac in (*RESERVED, "01:80:c2:00:00:10")), expecting=3)
    assert (reserved, set(other)) == ([{}] * 16, {"t1", "h2", "h3"})
    assert host.send(Sent("h2", dst=RESERVED[0], vni=2)) == [{}]
    host.vsctl("set bridge br0 other_config:forward-bpdu=true")
    passed = host.send(*(Sent("t0", dst=mac) for mac in RESERVED), expecting=48)
    assert [set(seen) for seen in passed] == [{"t1", "h2", "h3"}] * 16


@pytest.mark.parametrize(
    ("settings", "sent", "taken"),
    [
        ((), 0, {0}),
        (("key=0",), 0, {0}),
        (("key=16777215",), 16777215, {16777215}),
        (("key=0x10",), 16, {16}),
        (("in_key=5", "out_key=6"), 6, {5}),
        (("key=5", "out_key=6"), 6, {5}),
        (("out_key=6",), 6, {0}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, tuple) else None,
)
def test_keys(host: Ports, settings: tuple[str, ...], sent: int, taken: set[int]) -> None:
    """The VNI that is sent, and those of which packets are taken."""
    options(host, *settings)
    host.warm()
    (found,) = host.send(Sent("t0"), expecting=3)
    assert found["h2"] == f"{sent} -"
    tried = (0, 5, 6, 16, 16777215)
    arrived = host.send(*(Sent("h2", vni=vni, src=FAR) for vni in tried), expecting=3 * len(taken))
    assert {vni for vni, seen in zip(tried, arrived, strict=True) if seen} == taken


def test_another_port(host: Ports) -> None:
    """With dst_port packets go to that UDP port and are taken there, and no longer at 4789."""
    with host.lab["h2"].enter():
        other = Remote(host.lab["h2"], REMOTES["h2"], 4790)
    host.remotes["h2-4790"] = other
    try:
        options(host, "dst_port=4790", "key=2")
        host.warm(remotes=["h3", "h2-4790"])
        (found,) = host.send(Sent("t0"), expecting=3)
        assert found == {"t1": "-", "h2-4790": "2 -", "h3": "3 -"}
        assert host.send(Sent("h2", vni=2)) == [{}]
    finally:
        host.remotes.pop("h2-4790").close()


def test_any_remote_is_heard(host: Ports) -> None:
    """With remote_ip=flow packets of every remote are taken, in the tunnel's VNI."""
    options(host, "key=7", remote="flow")
    one, other, wrong = host.send(Sent("h2", vni=7), Sent("h3", vni=7), Sent("h3", vni=8), expecting=4)
    assert (set(one) >= {"t0", "t1"}, set(other) >= {"t0", "t1"}, wrong) == (True, True, {})


OUTER = {
    "nothing": ((), ("64", "0x00", "True", "0x0000")),
    "all": (("tos=0x14", "ttl=9", "df_default=false"), ("9", "0x14", "False", "0x0000")),
    "ttl-0": (("ttl=0",), ("64", "0x00", "True", "0x0000")),
    "inherit": (("tos=inherit", "ttl=inherit"), ("64", "0x00", "True", "0x0000")),
}


@pytest.mark.parametrize("name", OUTER)
def test_outer_header(host: Ports, name: str, tmp_path: Path) -> None:
    """TTL, TOS, DF and the UDP checksum of what is sent; there is nothing to inherit from a frame that is not IP."""
    settings, wanted = OUTER[name]
    options(host, "key=2", *settings)
    host.warm()
    with host.lab["h2"].capture("eth0", tmp_path / "outer.pcapng", matching="udp dst port 4789") as capture:
        host.send(Sent("t0"), expecting=3)
    fields = ("ip.src", "ip.ttl", "ip.dsfield", "ip.flags.df", "udp.checksum", "vxlan.flags", "vxlan.vni")
    (found,) = capture.fields(*fields)
    df = {"1": "True", "0": "False"}.get(found[3], found[3])
    assert (*found[:3], df, *found[4:]) == (str(LOCAL), *wanted, "0x0800", "2")


def test_checksum(host: Ports, tmp_path: Path) -> None:
    """With csum=true the outer UDP checksum is there."""
    options(host, "key=2", "csum=true")
    host.warm()
    with host.lab["h2"].capture("eth0", tmp_path / "outer.pcapng", matching="udp dst port 4789") as capture:
        host.send(Sent("t0"), expecting=3)
    assert capture.fields("udp.checksum") not in ([], [("0x0000",)])


def test_settings_change_what_is_sent_at_once(host: Ports) -> None:
    """A tunnel that is given another key, and then another remote, sends so from the next frame on."""
    options(host, "key=8")
    host.warm()
    (found,) = host.send(Sent("t0"), expecting=3)
    assert found["h2"] == "8 -"
    host.vsctl("del-port v3")
    options(host, "key=9", remote=str(REMOTES["h3"]))
    host.warm(remotes=["h3"])
    (found,) = host.send(Sent("t0"), expecting=2)
    assert found == {"t1": "-", "h3": "9 -"}
