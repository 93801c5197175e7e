# SPDX-License-Identifier: Apache-2.0
"""`vxnet server --config FILE`: the options of a server as a TOML file. What is not in it has its default.

listen = "0.0.0.0:9696"
store = "etcd://10.0.0.1:2379,10.0.0.2:2379"
vni_ranges = ["5001-16777215"]
mtu = 1450
public_url = "https://network.example.org:9696"

[tls]
cert = "/etc/vxnet/server.crt"
key = "/etc/vxnet/server.key"

[quotas]
network = 100
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from vxnet.errors import ConfigError
from vxnet.server.options import Address, Options, Tls, address, public_url, vni_ranges
from vxnet.sources import tomlfile
from vxnet.sources.tomlfile import FaultError

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.server.settings import Settings

LEAST_MTU: Final = 1280
"""Bytes: what IPv6 asks of a link (RFC 8200 section 5)."""

_EXAMPLES = {
    "listen": 'listen = "127.0.0.1:9696"',
    "store": 'store = "sqlite:///var/lib/vxnet/cluster.db"',
    "tls": "[tls]",
    "cert": 'cert = "/etc/vxnet/server.crt"',
    "key": 'key = "/etc/vxnet/server.key"',
    "vni_ranges": 'vni_ranges = ["5001-16777215"]',
    "mtu": "mtu = 1450",
    "public_url": 'public_url = "https://network.example.org:9696"',
    "quotas": "[quotas]",
    "network": "network = 100",
    "subnet": "subnet = 100",
    "port": "port = 500",
}


class _Tls(msgspec.Struct, frozen=True):
    cert: str
    key: str


class _Quotas(msgspec.Struct, frozen=True):
    network: int | None = None
    subnet: int | None = None
    port: int | None = None


class _File(msgspec.Struct, frozen=True):
    """The file as it is written; None: left out."""

    listen: str | None = None
    store: str | None = None
    tls: _Tls | None = None
    vni_ranges: str | tuple[str, ...] | None = None
    mtu: int | None = None
    public_url: str | None = None
    quotas: _Quotas | None = None


def load(path: Path, defaults: Options) -> Options:
    """Return what the file says, and ``defaults`` where it says nothing. ConfigError names file, field and value."""
    file = tomlfile.load(path, _File, _EXAMPLES)
    try:
        return Options(
            listen=_listen(file, defaults),
            store=file.store or defaults.store,
            # Beside the file, where the server is started from another folder.
            tls=Tls(path.parent / file.tls.cert, path.parent / file.tls.key) if file.tls else defaults.tls,
            settings=_settings(file, defaults.settings),
        )
    except FaultError as fault:
        raise ConfigError(f"{path}: {fault}") from None


def _listen(file: _File, defaults: Options) -> Address:
    return defaults.listen if file.listen is None else address(file.listen, "listen")


def _settings(file: _File, defaults: Settings) -> Settings:
    ranges = (file.vni_ranges,) if isinstance(file.vni_ranges, str) else file.vni_ranges
    if file.mtu is not None and not LEAST_MTU <= file.mtu <= 65535:
        raise FaultError(f"{file.mtu} bytes is no MTU for tenants; it is {LEAST_MTU} to 65535", "mtu")
    return msgspec.structs.replace(
        defaults,
        vni_ranges=defaults.vni_ranges if ranges is None else vni_ranges(ranges, "vni_ranges"),
        mtu=file.mtu or defaults.mtu,
        quotas=defaults.quotas | _quotas(file.quotas or _Quotas()),
        public_url=defaults.public_url if file.public_url is None else public_url(file.public_url, "public_url"),
    )


def _quotas(table: _Quotas) -> dict[str, int]:
    quotas = {name: limit for name, limit in msgspec.structs.asdict(table).items() if limit is not None}
    for name, limit in quotas.items():
        if limit < -1:
            raise FaultError(f"{limit} is no quota; it is a number from 0, or -1 for no limit", f"quotas.{name}")
    return quotas
