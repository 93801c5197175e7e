# SPDX-License-Identifier: Apache-2.0
"""The steps that build a lab, as values: what is done, where, and in which order."""

from __future__ import annotations

import itertools
import shlex

import msgspec
import pytest

from vxnet.lab.steps import Ip, Step, Sysctl, build, device_on_cable, typed
from vxnet.lab.topology import Host, Link, Router, Switch, Topology, Vm

ROUTED = Topology(
    name="lab",
    hosts=(
        Host(name="h1", address=("192.0.2.1/24",), gateway="192.0.2.254"),
        Host(name="h2", address=("198.51.100.1/24", "2001:db8:2::1/64")),
    ),
    routers=(Router(name="r", address=("192.0.2.254/24", "198.51.100.254/24", "2001:db8:2::ff/64")),),
    switches=(Switch(name="s", nodes=("h1", "r")),),
    links=(Link(nodes=("r", "h2"), mtu=9000),),
    vms=(Vm(name="a", host="h1", address=("10.0.0.1/24",)),),
)


def commands(topology: Topology, namespace: str) -> list[str]:
    """The ip commands in a namespace, as one would type them without `ip -n NAMESPACE`."""
    steps = [step for step in build(topology) if isinstance(step, Ip)]
    return [shlex.join(step.words) for step in steps if step.namespace == namespace]


def settings(topology: Topology, namespace: str) -> dict[str, str]:
    """What the settings of a namespace are in the end."""
    steps = [step for step in build(topology) if isinstance(step, Sysctl)]
    return {step.key: step.value for step in steps if step.namespace == namespace}


def test_namespaces_and_wires_come_first() -> None:
    """Everything done outside the namespaces is one run of commands at the beginning, namespaces before wires."""
    steps = list(build(ROUTED))
    outside = [
        step.words[0] for step in itertools.takewhile(lambda step: step.namespace == "", steps) if isinstance(step, Ip)
    ]
    assert outside == ["netns"] * 5 + ["link"] * 4
    assert all(step.namespace for step in steps[len(outside) :])


def test_ip_runs_few_times() -> None:
    """A node without IPv6 costs one run of ip inside it, so that a lab is built in a moment."""

    def kind(step: Step) -> tuple[type, str]:
        return type(step), step.namespace

    runs = [which for which, _ in itertools.groupby(build(ROUTED), kind)]
    assert runs.count((Ip, "lab-h1")) == runs.count((Ip, "lab-a")) == runs.count((Ip, "lab-s")) == 1


def test_vm() -> None:
    """A VM is one veth pair with the VM's MAC and MTU, and the host's end is up."""
    assert (
        "link add name eth0 index 1000 address 02:00:0a:00:00:01 mtu 1450 netns lab-a"
        " type veth peer name tap-a mtu 1450 netns lab-h1" in commands(ROUTED, "")
    )
    assert "link set tap-a up" in commands(ROUTED, "lab-h1")
    assert commands(ROUTED, "lab-a")[-2:] == ["link set eth0 up", "address add 10.0.0.1/24 dev eth0"]


def test_router_devices_follow_its_addresses() -> None:
    """Address number n of a router is on eth<n>, an IPv6 address of the same link beside its IPv4 address."""
    router, (switch,), (link,) = ROUTED.routers[0], ROUTED.switches, ROUTED.links
    assert device_on_cable(ROUTED, switch, router)[0] == "eth0"
    device, addresses = device_on_cable(ROUTED, link, router)
    assert (device, [str(a) for a in addresses]) == ("eth1", ["198.51.100.254/24", "2001:db8:2::ff/64"])


def test_switch_ports_carry_the_names_of_nodes() -> None:
    """In a switch a person finds the port to a node under the node's name."""
    assert "link set h1 master br0 up" in commands(ROUTED, "lab-s")
    assert "link set r master br0 up" in commands(ROUTED, "lab-s")


def test_default_route() -> None:
    """A gateway becomes the default route, after the address that reaches it."""
    inside = commands(ROUTED, "lab-h1")
    assert inside.index("route add default via 192.0.2.254") > inside.index("address add 192.0.2.1/24 dev eth0")


def test_only_routers_forward() -> None:
    """Forwarding is on in routers and off elsewhere, whatever the machine's own setting is."""
    forwarding = {node: settings(ROUTED, f"lab-{node}")["net.ipv4.ip_forward"] for node in ("h1", "h2", "r", "s", "a")}
    assert forwarding == {"h1": "0", "h2": "0", "r": "1", "s": "0", "a": "0"}


def test_ipv6_only_where_an_address_asks_for_it() -> None:
    """IPv6 is off, and on again for a device with an IPv6 address, which is usable at once."""
    assert settings(ROUTED, "lab-h1")["net.ipv6.conf.all.disable_ipv6"] == "1"
    assert "net.ipv6.conf.eth0.disable_ipv6" not in settings(ROUTED, "lab-h1")
    assert settings(ROUTED, "lab-h2")["net.ipv6.conf.eth0.disable_ipv6"] == "0"
    assert "address add 2001:db8:2::1/64 nodad dev eth0" in commands(ROUTED, "lab-h2")


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_mtu_of_links(mtu: int) -> None:
    """Both ends of a link have its MTU."""
    topology = msgspec.structs.replace(ROUTED, links=(Link(nodes=("r", "h2"), mtu=mtu),))
    wire = next(command for command in commands(topology, "") if "lab-r" in command and "lab-h2" in command)
    assert wire.count(f"mtu {mtu}") == 2


def test_ends_have_different_numbers() -> None:
    """One end of each pair at a host or VM has a device number of its own, or coming up takes the kernel a second."""
    hosts = (Host(name="h1", address=("192.0.2.1/24",)), Host(name="h2", address=("192.0.2.2/24",)))
    linked = Topology(name="lab", hosts=hosts, links=(Link(nodes=("h1", "h2")),))
    wires = [command for command in (*commands(ROUTED, ""), *commands(linked, "")) if command.startswith("link add")]
    assert [wire.count(" index ") for wire in wires] == [1, 0, 1, 1, 1]


def test_steps_are_typed_as_commands() -> None:
    """A step reads as the command one would type."""
    assert str(Ip("", ("netns", "add", "lab-a"))) == "ip netns add lab-a"
    assert str(Ip("lab-a", ("link", "set", "lo", "alias", "two words"))) == "ip -n lab-a link set lo alias 'two words'"
    both = [Sysctl("lab-a", "net.ipv4.ip_forward", "1"), Sysctl("lab-a", "net.ipv4.conf.all.rp_filter", "0")]
    inside = "nsenter --net=/run/netns/lab-a sysctl -qw"
    assert str(both[0]) == f"{inside} net.ipv4.ip_forward=1"
    assert typed(both) == f"{inside} net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0"


def test_mark_names_the_file() -> None:
    """Each namespace says on its lo which lab it belongs to, and from which file."""
    marks = [step for step in build(ROUTED, "/x/lab.toml") if isinstance(step, Ip) and "alias" in step.words]
    assert {step.namespace for step in marks} == {f"lab-{node}" for node in ("h1", "h2", "r", "s", "a")}
    assert {step.words[-1] for step in marks} == {"vxnet lab lab /x/lab.toml"}
