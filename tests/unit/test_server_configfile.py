# SPDX-License-Identifier: Apache-2.0
"""The configuration of `vxnet server`: what a file says, and every way in which it can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vxnet.errors import ConfigError
from vxnet.server import configfile
from vxnet.server.options import Address, Options, Tls, address, vni_ranges
from vxnet.server.settings import Settings
from vxnet.sources.tomlfile import FaultError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = Options(store="sqlite:///default.db", settings=Settings(quotas={"network": 7, "port": 8}))


def load(tmp_path: Path, text: str) -> Options:
    """Return what a file with this text comes to."""
    path = tmp_path / "server.toml"
    path.write_text(text)
    return configfile.load(path, DEFAULTS)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    """Every key may be left out."""
    assert load(tmp_path, "") == DEFAULTS


def test_a_full_file(tmp_path: Path) -> None:
    """Every key does something; files without a folder are beside the configuration; quotas not named stay."""
    text = """
        listen = "[::1]:9697"
        store = "etcd://10.0.0.1:2379"
        vni_ranges = ["6000", "5001-5999"]
        mtu = 1450
        public_url = "https://network.example.org/"
        [tls]
        cert = "server.crt"
        key = "/etc/vxnet/server.key"
        [quotas]
        network = -1
        subnet = 0
    """
    options = load(tmp_path, text)
    assert options.listen == Address("::1", 9697)
    assert options.store == "etcd://10.0.0.1:2379"
    assert options.tls == Tls(tmp_path / "server.crt", (tmp_path / "/etc/vxnet/server.key"))
    assert options.settings == Settings(
        vni_ranges=((6000, 6000), (5001, 5999)),
        mtu=1450,
        public_url="https://network.example.org",
        quotas={"network": -1, "subnet": 0, "port": 8},
    )


def test_one_range_needs_no_list(tmp_path: Path) -> None:
    """A text alone is a list of one."""
    assert load(tmp_path, 'vni_ranges = "5001-6000"').settings.vni_ranges == ((5001, 6000),)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("listen = 9696", 'listen: 9696 is not a string; write, for example, listen = "127.0.0.1:9696"'),
        ('listen = "9696"', 'listen: "9696" is not HOST:PORT; write, for example, 127.0.0.1:9696 or [::1]:9696'),
        ('lissten = "x"', 'lissten: unknown key "lissten"; did you mean "listen"?'),
        ("[tls]\ncert = 'x'", 'tls.key: is missing; write, for example, key = "/etc/vxnet/server.key"'),
        ("tls = 'x'", "tls: "),
        ('vni_ranges = "5001"\nmtu = 100', "mtu: 100 bytes is no MTU for tenants; it is 1280 to 65535"),
        ("mtu = '1450'", 'mtu: "1450" is not a whole number; write, for example, mtu = 1450'),
        ("vni_ranges = []", "vni_ranges: names no VNI; write, for example, 5001-16777215"),
        ('vni_ranges = ["1-5", "x"]', 'vni_ranges[1]: "x" is not FIRST-LAST; write, for example, 5001-16777215'),
        (
            'vni_ranges = "0-5"',
            'vni_ranges: "0-5" is no range of VNIs; they go from 1 to 16777215, the lower one first',
        ),
        ('vni_ranges = ["1-5", "4-9"]', "vni_ranges: VNI 4 is in two ranges; leave it in one"),
        ("vni_ranges = [5001]", "vni_ranges[0]: 5001 is not a string"),
        ("vni_ranges = 5001", "vni_ranges: 5001 is not a string or a list"),
        ('public_url = "example.org"', 'public_url: "example.org" is no URL; write, for example, https://network.'),
        ("[quotas]\nnetwork = -2", "quotas.network: -2 is no quota; it is a number from 0, or -1 for no limit"),
        ("[quotas]\nnetworks = 1", 'quotas.networks: unknown key "networks"; did you mean "network"?'),
        ("[quotas]\nport = 'x'", 'quotas.port: "x" is not a whole number; write, for example, port = 500'),
        ("listen = 127.0.0.1:9696", "line 1: is not TOML: "),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, error: str) -> None:
    """One line: file, field, value and cure."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/server.toml: {error}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", configfile._EXAMPLES)
def test_examples_are_right(tmp_path: Path, name: str) -> None:
    """The lines that errors show can be written as they stand."""
    line = configfile._EXAMPLES[name]
    table = {"cert": "tls", "key": "tls", "network": "quotas", "subnet": "quotas", "port": "quotas"}.get(name)
    if name in {"cert", "key"}:
        line = "\n".join(configfile._EXAMPLES[each] for each in ("cert", "key"))
    elif name == "tls":
        line += f"\n{configfile._EXAMPLES['cert']}\n{configfile._EXAMPLES['key']}"
    load(tmp_path, f"[{table}]\n{line}" if table else line)


def test_the_example_of_the_docstring_is_right(tmp_path: Path) -> None:
    """What configfile.py shows is a file it takes."""
    assert configfile.__doc__
    options = load(tmp_path, configfile.__doc__.partition("\n\n")[2])
    assert options.settings.vni_ranges == ((5001, 16777215),)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("0.0.0.0:9696", "0.0.0.0", 9696), ("[::]:0", "::", 0), ("node1.example.org:80", "node1.example.org", 80)],  # noqa: S104
)
def test_addresses(text: str, host: str, port: int) -> None:
    """An address is written as it is shown."""
    assert address(text, "--listen") == Address(host, port)
    assert str(Address(host, port)) == text


@pytest.mark.parametrize("text", ["", ":9696", "::1:9696", "host", "host:", "host:99999", "host:٣", "a b:1", "[::1]"])
def test_what_is_no_address(text: str) -> None:
    """The error names the option and shows how it is written."""
    with pytest.raises(FaultError, match=r"^--listen: .* is not HOST:PORT; "):
        address(text, "--listen")


def test_vni_ranges_keep_their_order() -> None:
    """The first range is used first, whichever is lower; neighbours do not overlap."""
    assert vni_ranges(("100-200", "1-99"), "--vni-range") == ((100, 200), (1, 99))


@pytest.mark.parametrize("text", ["", "-", "1-", "-5", "1-16777216", "5-1", "0", "1 - 5", "9" * 5000])
def test_what_is_no_range(text: str) -> None:
    """The error names the option and the value, and is short."""
    with pytest.raises(FaultError, match=r"^--vni-range: ") as caught:
        vni_ranges((text,), "--vni-range")
    assert len(str(caught.value)) < 200
