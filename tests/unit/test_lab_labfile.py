# SPDX-License-Identifier: Apache-2.0
"""A lab's file becomes a topology, or one line that names file, field and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from vxnet.errors import ConfigError
from vxnet.lab.labfile import load
from vxnet.lab.topology import Host, Link, Vm, mac_of

EXAMPLES = Path(__file__).parents[2] / "examples"

TWO_HOSTS = """
[[hosts]]
name = "h1"
address = "192.0.2.1/24"
[[hosts]]
name = "h2"
address = ["192.0.2.2/24", "2001:db8::2/64"]
[[links]]
nodes = ["h1", "h2"]
"""

ROUTER = """
[[routers]]
name = "r1"
address = ["192.0.2.3/24", "198.51.100.1/24"]
"""


def vm(**fields: object) -> str:
    """A VM of that file, with some fields as given."""
    lines = {"name": '"a"', "host": '"h1"', **{key: str(value) for key, value in fields.items()}}
    return TWO_HOSTS + "[[vms]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())


def write(folder: Path, text: str) -> Path:
    """The text as a file named small.lab.toml."""
    file = folder / "small.lab.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.lab.toml")), ids=lambda file: file.name)
def test_examples_are_labs(file: Path) -> None:
    """Every topology we ship can be built, and is named after its file."""
    assert load(file).name == file.name.removesuffix(".lab.toml")


def test_examples_are_there() -> None:
    """The four topologies that README and demo speak of exist."""
    names = {file.name.removesuffix(".lab.toml") for file in EXAMPLES.glob("*.lab.toml")}
    assert names >= {"two-hosts", "three-vteps", "routed", "tenants"}


def test_values(tmp_path: Path) -> None:
    """Each table becomes its value; one address and a list of them are the same thing."""
    topology = load(write(tmp_path, vm(address='"10.0.0.1/24"', device='"tap7"', mtu=1400)))
    assert topology.name == "small"
    assert topology.hosts == (
        Host(name="h1", address=("192.0.2.1/24",)),
        Host(name="h2", address=("192.0.2.2/24", "2001:db8::2/64")),
    )
    assert topology.links == (Link(nodes=("h1", "h2")),)
    assert topology.vms == (Vm(name="a", host="h1", address=("10.0.0.1/24",), device="tap7", mtu=1400),)


def test_name_in_the_file_wins(tmp_path: Path) -> None:
    """A name in the file is preferred to the file's own."""
    assert load(write(tmp_path, 'name = "other"\n' + TWO_HOSTS)).name == "other"


def test_mac_is_the_address_unless_given() -> None:
    """A VM's MAC is 02:00 and its IPv4 address, and lower case when it is given."""
    assert mac_of(Vm(name="a", host="h1", address=("10.0.0.1/24",))) == "02:00:0a:00:00:01"
    assert mac_of(Vm(name="a", host="h1", address=("2001:db8::1/64",))) == ""
    assert mac_of(Vm(name="a", host="h1", mac="02:00:00:00:00:AB")) == "02:00:00:00:00:ab"


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("[[hosts\nname = 1", "line 1", "not TOML"),
        (TWO_HOSTS + "[[vm]]\n", "vm", "unknown key"),
        (TWO_HOSTS.replace("name", "nane", 1), "hosts[0].nane", "unknown key"),
        (TWO_HOSTS.replace('address = "192.0.2.1/24"', ""), "hosts[0].address", "missing"),
        (TWO_HOSTS.replace('"192.0.2.1/24"', "17"), "hosts[0].address", "17"),
        (TWO_HOSTS.replace('"192.0.2.1/24"', "[17]"), "hosts[0].address[0]", "17"),
        (TWO_HOSTS.replace("192.0.2.1/24", "192.0.2.1"), "hosts[0].address", "192.0.2.1/24"),
        (TWO_HOSTS.replace("192.0.2.1/24", "192.0.2.256/24"), "hosts[0].address", "192.0.2.256/24"),
        (TWO_HOSTS.replace("192.0.2.1/24", "239.1.1.1/24"), "hosts[0].address", "239.1.1.1/24"),
        (TWO_HOSTS.replace('"192.0.2.1/24"', "[]"), "hosts[0].address", "at least one"),
        (TWO_HOSTS.replace("192.0.2.1/24", "192.0.3.1/24"), "links[0].nodes", "no subnet in common"),
        (TWO_HOSTS.replace("192.0.2.1/24", "192.0.2.2/24"), "links[0].nodes", "192.0.2.2"),
        (TWO_HOSTS.replace('["h1", "h2"]', '["h1", "h3"]'), "links[0].nodes", "'h3'"),
        (TWO_HOSTS.replace('["h1", "h2"]', '["h1", "h1"]'), "links[0].nodes", "twice"),
        (TWO_HOSTS.replace('["h1", "h2"]', '["h1"]'), "links[0].nodes", "not two"),
        (TWO_HOSTS.replace('"h2"', '"h1"', 1), "hosts[1].name", "another node"),
        (TWO_HOSTS.replace("h1", "h-1"), "hosts[0].name", "'h-1'"),
        (TWO_HOSTS.replace("h1", "h" * 16), "hosts[0].name", "15 characters"),
        (TWO_HOSTS.replace("h1", "br0"), "hosts[0].name", "'br0'"),
        (TWO_HOSTS.partition("[[links]]")[0], "hosts[0].name", "on no link"),
        (TWO_HOSTS + TWO_HOSTS[TWO_HOSTS.index("[[links]]") :], "links[1].nodes", "one eth0"),
        (TWO_HOSTS + "mtu = 9", "links[0].mtu", "9 is not"),
        ('name = "a b"' + TWO_HOSTS, "name", "'a b'"),
        (TWO_HOSTS + ROUTER + 'gateway = "203.0.113.1"', "routers[0].gateway", "203.0.113.1"),
        (TWO_HOSTS + ROUTER + 'gateway = "there"', "routers[0].gateway", "there"),
        (TWO_HOSTS + '[[switches]]\nname = "s"\nnodes = ["s"]', "switches[0].nodes", "'s'"),
        (vm(host='"h9"'), "vms[0].host", "'h9'"),
        (vm(mtu='"big"'), "vms[0].mtu", "big"),
        (vm(mtu=65536), "vms[0].mtu", "65536"),
        (vm(mac='"02:00"'), "vms[0].mac", "'02:00'"),
        (vm(mac='"01:00:5e:00:00:01"'), "vms[0].mac", "group"),
        (vm(mac='"00:00:00:00:00:00"'), "vms[0].mac", "zero"),
        (vm(device='"eth0"'), "vms[0].device", "'eth0'"),
        (vm(device='"a device"'), "vms[0].device", "'a device'"),
        (vm(name='"abcdefghijkl"'), "vms[0].device", "tap-abcdefghijkl"),
        (vm(device='"t"') + '[[vms]]\nname = "b"\nhost = "h1"\ndevice = "t"', "vms[1].device", "'t'"),
    ],
)
def test_errors_name_file_field_and_value(tmp_path: Path, text: str, field: str, said: str) -> None:
    """What cannot be a lab is refused in one line: the file, the field, and what is wrong with the value."""
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: {field}: "), message
    assert said in message
    assert "\n" not in message


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is an error that names it."""
    with pytest.raises(ConfigError, match=r"gone\.toml: "):
        load(tmp_path / "gone.toml")
