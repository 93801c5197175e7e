# SPDX-License-Identifier: Apache-2.0
"""Every mistake in a host file is one line that names the file, the field, the value and, where known, the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vxnet.errors import ConfigError
from vxnet.sources.hostfile import load

if TYPE_CHECKING:
    from pathlib import Path

VTEP = '[vtep]\nlocal = "192.0.2.1"\n'
BLUE = VTEP + '[[segments]]\nname = "blue"\nvni = 5001\n'
TAP0 = BLUE + '[[ports]]\ndevice = "tap0"\nsegment = "blue"\n'
RED = TAP0 + '[[segments]]\nname = "red"\nvni = 5002\n[[ports]]\ndevice = "tap1"\nsegment = "red"\n'
ENTRY = TAP0 + '[[fdb]]\nsegment = "blue"\nmac = "52:54:00:12:34:56"\n'

# Each is a whole host file, and what the error says after the file's name.
NOT_A_HOST_FILE = {
    "": 'vtep: is missing; write [vtep] and, under it, local = "192.0.2.1"',
    "vtep = 3": "vtep: 3 is not a table; write, for example, [vtep]",
    '[[vtep]]\nlocal = "192.0.2.1"': "vtep: is a list, not a table; write [vtep]",
    "[vtep]\nlocal = 192.0.2.1": (
        'line 2: is not TOML: expected newline or end of document after a statement: "local = 192.0.2.1";'
        " text and addresses stand in quotes"
    ),
    VTEP + "[[segments]": "line 3: is not TOML: expected ']]' at the end of an array declaration: \"[[segments]\"",
    VTEP + "dstport = " + "9" * 5000: "holds a number of thousands of digits",
    VTEP + "x = [": "line 3: is not TOML: invalid value, at the end of the file",
    VTEP + "[segments]\nname = 'blue'": "segments: is a table, not a list; write [[segments]]",
    BLUE + "[ports]\ndevice = 'tap0'": "ports: is a table, not a list; write [[ports]]",
    "segments = [3]\n" + VTEP: "segments[0]: 3 is not a table; write, for example, [[segments]]",
}
UNKNOWN_KEYS = {
    '[vtpe]\nlocal = "192.0.2.1"': 'vtpe: unknown key "vtpe"; did you mean "vtep"?',
    VTEP + "dst_port = 4789": 'vtep.dst_port: unknown key "dst_port"; did you mean "dstport"?',
    VTEP + "mtu = 1500": 'vtep.mtu: unknown key "mtu"; there is "local", "local6", "dstport"',
    BLUE + "aging = 300": 'segments[0].aging: unknown key "aging"; did you mean "ageing"?',
    BLUE + 'VNI = "x"': 'segments[0].VNI: unknown key "VNI"; did you mean "vni"?',
    TAP0 + "vni = 1": 'ports[0].vni: unknown key "vni"; there is "device", "segment", "storm_control"',
    ENTRY + 'device = "tap0"': 'fdb[0].device: unknown key "device"; there is "segment", "mac", "port", "remote"',
    VTEP + '"a\\nb" = 1': 'vtep: unknown key "a\\nb"; there is "local", "local6", "dstport"',
}
MISSING_KEYS = {
    "[vtep]": 'vtep.local: is missing; write, for example, local = "192.0.2.1"',
    VTEP + "[[segments]]\nvni = 1": 'segments[0].name: is missing; write, for example, name = "blue"',
    BLUE + '[[segments]]\nname = "red"': "segments[1].vni: is missing; write, for example, vni = 5001",
    BLUE + '[[ports]]\nsegment = "blue"': 'ports[0].device: is missing; write, for example, device = "tap0"',
    BLUE + '[[ports]]\ndevice = "tap0"': 'ports[0].segment: is missing; write, for example, segment = "blue"',
    TAP0 + '[[fdb]]\nsegment = "blue"\nport = "tap0"': (
        'fdb[0].mac: is missing; write, for example, mac = "52:54:00:12:34:56"'
    ),
}
WRONG_TYPES = {
    VTEP + 'dstport = "4789"': 'vtep.dstport: "4789" is not a whole number; write, for example, dstport = 4789',
    VTEP + "dstport = 4789.0": "vtep.dstport: 4789.0 is not a whole number; write, for example, dstport = 4789",
    VTEP + "dstport = 2024-01-01": (
        'vtep.dstport: "2024-01-01" is not a whole number; write, for example, dstport = 4789'
    ),
    VTEP + '[[segments]]\nname = "blue"\nvni = "5001"': (
        'segments[0].vni: "5001" is not a whole number; write, for example, vni = 5001'
    ),
    VTEP + '[[segments]]\nname = "blue"\nvni = true': (
        "segments[0].vni: true is not a whole number; write, for example, vni = 5001"
    ),
    VTEP + "[[segments]]\nname = 7\nvni = 1": (
        'segments[0].name: 7 is not a string; write, for example, name = "blue"'
    ),
    BLUE + 'learning = "yes"': 'segments[0].learning: "yes" is not true or false; write, for example, learning = true',
    BLUE + "learning = 0": "segments[0].learning: 0 is not true or false; write, for example, learning = true",
    BLUE + 'remotes = "192.0.2.2"': (
        'segments[0].remotes: "192.0.2.2" is not a list; write, for example, remotes = ["192.0.2.2"]'
    ),
    BLUE + "remotes = [7]": "segments[0].remotes[0]: 7 is not an IP address in quotes",
}
ADDRESSES = {
    '[vtep]\nlocal = "eth0"': 'vtep.local: "eth0" is not an IP address; names are not looked up',
    '[vtep]\nlocal = "192.0.2.1/24"': 'vtep.local: "192.0.2.1/24" has a prefix length; write the address alone',
    '[vtep]\nlocal = "fe80::1"': (
        "vtep.local: fe80::1 means another host on every link; give the hosts addresses in fd00::/8, or global ones"
    ),
    '[vtep]\nlocal = "fe80::1%eth0"': 'vtep.local: "fe80::1%eth0" names a device; write the address alone',
    '[vtep]\nlocal = "::ffff:10.0.0.1"': (
        "vtep.local: ::ffff:a00:1 is an IPv4 address written as IPv6; write it as IPv4"
    ),
    '[vtep]\nlocal = "::1"': "vtep.local: ::1 is a loopback address, which no other host can reach",
    '[vtep]\nlocal = "::"': "vtep.local: :: is no host's address: it means any",
    '[vtep]\nlocal = "10.0.0.1"\nlocal6 = "10.0.0.2"': 'vtep.local6: "10.0.0.2" is not an IPv6 address',
    '[vtep]\nlocal = "fd00::1"\nlocal6 = "fd00::2"': (
        "vtep.local6: fd00::2 stands beside vtep.local, which is IPv6; it is for an IPv4 one"
    ),
    '[vtep]\nlocal = "127.0.0.1"': "vtep.local: 127.0.0.1 is a loopback address, which no other host can reach",
    '[vtep]\nlocal = "0.0.0.0"': "vtep.local: 0.0.0.0 is no host's address: 0.0.0.0/8 means this network",
    '[vtep]\nlocal = "239.1.1.1"': "vtep.local: 239.1.1.1 is a multicast address; that is what group = is for",
    '[vtep]\nlocal = "255.255.255.255"': "vtep.local: 255.255.255.255 is the broadcast address",
    BLUE + 'remotes = ["192.0.2.2", "host2"]': (
        'segments[0].remotes[1]: "host2" is not an IP address; names are not looked up'
    ),
    BLUE + 'remotes = ["fd00::2"]': (
        "segments[0].remotes[0]: fd00::2 is IPv6, and this host's VTEP has no such address; give it vtep.local6"
    ),
    BLUE + 'remotes = ["239.1.1.1"]': (
        "segments[0].remotes[0]: 239.1.1.1 is a multicast address; that is what group = is for"
    ),
    BLUE + 'remotes = ["127.0.0.2"]': (
        "segments[0].remotes[0]: 127.0.0.2 is a loopback address, which no other host can reach"
    ),
    BLUE + 'remotes = ["192.0.2.1"]': (
        "segments[0].remotes[0]: 192.0.2.1 is this host's own vtep.local; remotes are the other hosts"
    ),
    BLUE + 'remotes = ["192.0.2.2", "192.0.2.3", "192.0.2.2"]': (
        "segments[0].remotes[2]: 192.0.2.2 stands at segments[0].remotes[0] already; no two may be the same"
    ),
    BLUE + 'accept = "known"': 'segments[0].accept: "known", and no remote is; name remotes, or write accept = "any"',
    BLUE + 'remotes = ["192.0.2.2"]\naccept_from = ["192.0.2.0/24"]': (
        'segments[0].accept_from: stands beside accept = "known", which names all; write accept = "any"'
    ),
    BLUE + 'accept_from = ["192.0.2.7/24"]': (
        'segments[0].accept_from[0]: "192.0.2.7/24" is not a prefix; '
        "write it as 192.168.146.0/24 or fd00:92::/64, without bits of a host"
    ),
    BLUE + 'accept_from = ["FD00::/64"]': 'segments[0].accept_from[0]: "FD00::/64" is written fd00::/64',
    BLUE + 'group = "192.0.2.2"': (
        "segments[0].group: 192.0.2.2 is not a multicast address; a group is in 224.0.0.0/4, best in 239.0.0.0/8, "
        "or in ff05::/16"
    ),
    BLUE + 'group = "224.0.0.5"': (
        "segments[0].group: 224.0.0.5 belongs to routing protocols and passes no router (224.0.0.0/24);"
        " choose a group in 239.0.0.0/8"
    ),
    BLUE + 'group = "ff05::1"': (
        "segments[0].group: ff05::1 is IPv6, and this host's VTEP has no such address; give it vtep.local6"
    ),
    BLUE + 'group = "239.1.1.1"\nremotes = ["192.0.2.2"]': (
        "segments[0].group: 239.1.1.1 stands beside remotes; BUM goes to a group or to remotes, not both"
    ),
}
NUMBERS = {
    VTEP + "dstport = 0": "vtep.dstport: 0 is below 1; a UDP port has 16 bits: 1 to 65535",
    VTEP + "dstport = 65536": "vtep.dstport: 65536 is above 65535; a UDP port has 16 bits: 1 to 65535",
    VTEP + '[[segments]]\nname = "blue"\nvni = 0': ("segments[0].vni: 0 is below 1; a VNI has 24 bits: 1 to 16777215"),
    BLUE + '[[segments]]\nname = "red"\nvni = 16777216': (
        "segments[1].vni: 16777216 is above 16777215; a VNI has 24 bits: 1 to 16777215"
    ),
    VTEP + f'[[segments]]\nname = "blue"\nvni = 0x{"f" * 5000}': (
        "segments[0].vni: a number of thousands of digits is above 16777215; a VNI has 24 bits: 1 to 16777215"
    ),
    BLUE + "ageing = -1": "segments[0].ageing: -1 is below 0; ageing is in seconds: 0 (never) to 4294967295",
    BLUE + "ageing = 4294967296": (
        "segments[0].ageing: 4294967296 is above 4294967295; ageing is in seconds: 0 (never) to 4294967295"
    ),
    BLUE + "maxaddress = 0": (
        "segments[0].maxaddress: 0 is below 1; maxaddress is 1 to 1048576; learning = false is how to learn none"
    ),
    BLUE + "storm_control = 10000001": (
        "segments[0].storm_control: 10000001 is above 10000000; it is in frames a second: 0 (any number) to 10000000"
    ),
    BLUE + "storm_control_total = -1": (
        "segments[0].storm_control_total: -1 is below 0; it is in frames a second: 0 (any number) to 10000000"
    ),
    BLUE + '[[ports]]\ndevice = "tap0"\nsegment = "blue"\nstorm_control = 0': (
        "ports[0].storm_control: 0 is below 1; it is in frames a second: 1 to 10000000"
    ),
}
NAMES = {
    VTEP + '[[segments]]\nname = "-blue"\nvni = 1': (
        "segments[0].name: \"-blue\" is no segment name: letters, digits, '_', '.' and '-',"
        " not beginning with '.' or '-'"
    ),
    VTEP + '[[segments]]\nname = "a\\nb"\nvni = 1': (
        "segments[0].name: \"a\\nb\" is no segment name: letters, digits, '_', '.' and '-',"
        " not beginning with '.' or '-'"
    ),
    VTEP + f'[[segments]]\nname = "{"b" * 64}"\nvni = 1': (
        f"segments[0].name: \"{'b' * 59}... has 64 characters, and a segment's name at most 63"
    ),
    BLUE + '[[segments]]\nname = "blue"\nvni = 2': (
        'segments[1].name: "blue" stands at segments[0].name already; no two may be the same'
    ),
    BLUE + '[[segments]]\nname = "red"\nvni = 5001': (
        "segments[1].vni: 5001 stands at segments[0].vni already; no two may be the same"
    ),
    BLUE + '[[ports]]\ndevice = "sixteen-letters0"\nsegment = "blue"': (
        'ports[0].device: "sixteen-letters0" has 16 bytes, and a device\'s name at most 15'
    ),
    BLUE + '[[ports]]\ndevice = "tap0"\nsegment = "bleu"': (
        'ports[0].segment: "bleu" is the name of no segment; did you mean "blue"?'
    ),
    VTEP + '[[ports]]\ndevice = "tap0"\nsegment = "blue"': (
        'ports[0].segment: "blue" is the name of no segment; there is none'
    ),
    TAP0 + '[[ports]]\ndevice = "tap0"\nsegment = "blue"': (
        'ports[1].device: "tap0" stands at ports[0].device already; no two may be the same'
    ),
    TAP0 + '[[segments]]\nname = "red"\nvni = 5002\n[[ports]]\ndevice = "tap0"\nsegment = "red"': (
        'ports[1].device: "tap0" stands at ports[0].device already; no two may be the same'
    ),
}
ENTRIES = {
    ENTRY: 'fdb[0]: "52:54:00:12:34:56" is nowhere; give it a port or a remote',
    ENTRY + 'port = "tap0"\nremote = "192.0.2.2"': (
        'fdb[0].remote: 192.0.2.2 stands beside port "tap0"; a MAC is at one place'
    ),
    ENTRY + 'port = "tap9"': 'fdb[0].port: "tap9" is no port of segment "blue"; did you mean "tap0"?',
    RED + '[[fdb]]\nsegment = "blue"\nmac = "52:54:00:12:34:56"\nport = "tap1"': (
        'fdb[0].port: "tap1" is no port of segment "blue"; did you mean "tap0"?'
    ),
    ENTRY + 'remote = "192.0.2.1"': (
        "fdb[0].remote: 192.0.2.1 is this host's own vtep.local; a machine of this host is at a port"
    ),
    ENTRY + 'remote = "239.1.1.1"': ("fdb[0].remote: 239.1.1.1 is a multicast address; that is what group = is for"),
    ENTRY + 'port = "tap0"\n[[fdb]]\nsegment = "blue"\nmac = "52:54:00:12:34:5g"\nport = "tap0"': (
        'fdb[1].mac: "52:54:00:12:34:5g" is not a MAC address; write it as 52:54:00:12:34:56'
    ),
    ENTRY.replace("52:54", "53:54") + 'port = "tap0"': (
        'fdb[0].mac: "53:54:00:12:34:56" is a group address, and the FDB holds single machines'
    ),
    TAP0 + '[[fdb]]\nsegment = "blue"\nmac = "00:00:00:00:00:00"\nport = "tap0"': (
        'fdb[0].mac: "00:00:00:00:00:00" is no machine\'s address'
    ),
    TAP0 + '[[fdb]]\nsegment = "red"\nmac = "52:54:00:12:34:56"\nport = "tap0"': (
        'fdb[0].segment: "red" is the name of no segment; there is "blue"'
    ),
    ENTRY.replace("12:34:56", "AB:CD:EF")
    + 'port = "tap0"\n[[fdb]]\nsegment = "blue"\nmac = "52:54:00:ab:cd:ef"\nremote = "192.0.2.2"': (
        'fdb[1].mac: "52:54:00:ab:cd:ef" has an entry in segment "blue" already: fdb[0]'
    ),
}
TABLES = {
    "not a host file": NOT_A_HOST_FILE,
    "unknown key": UNKNOWN_KEYS,
    "missing key": MISSING_KEYS,
    "wrong type": WRONG_TYPES,
    "address": ADDRESSES,
    "number": NUMBERS,
    "name": NAMES,
    "entry": ENTRIES,
}
CASES = [
    pytest.param(text, message, id=f"{kind} {number}")
    for kind, table in TABLES.items()
    for number, (text, message) in enumerate(table.items(), start=1)
]


@pytest.mark.parametrize(("text", "message"), CASES)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake gives its one line: FILE: FIELD: what is wrong with VALUE; the cure."""
    path = tmp_path / "h1.host.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("name", ["/", ":", "a b", "a\\tb", "%d", "..", "", "\\u007f", "à"])
def test_device_names_that_linux_refuses(tmp_path: Path, name: str) -> None:
    """A name that no device can have is refused: also à, whose second byte Linux takes for a space."""
    path = tmp_path / "h1.host.toml"
    path.write_text(BLUE + f'[[ports]]\ndevice = "{name}"\nsegment = "blue"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"ports\[0\]\.device: .* cannot be a device's name: Linux refuses it"):
        load(path)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding says in which line, and which byte."""
    path = tmp_path / "h1.host.toml"
    path.write_bytes(VTEP.encode() + b"# \xff\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: line 3: is not UTF-8 text (byte 0xff)"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and an impossible name say so."""
    with pytest.raises(ConfigError, match=r"h1\.host\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "h1.host.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: no file can have this name"):
        load("h1\0.host.toml")
