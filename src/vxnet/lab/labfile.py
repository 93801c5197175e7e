# SPDX-License-Identifier: Apache-2.0
"""A lab's file: TOML with the fields of `vxnet.lab.topology.Topology`.

[[hosts]]                          An address may stand alone or in a list.
name = "h1"                        Without a name = at the top the lab is named after its file,
address = "192.168.146.131/24"     two-hosts.lab.toml: two-hosts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vxnet.errors import ConfigError
from vxnet.lab.checks import check
from vxnet.lab.topology import Topology
from vxnet.sources import tomlfile

EXAMPLES = {
    "address": 'address = "10.0.0.1/24"',
    "device": 'device = "tap0"',
    "gateway": 'gateway = "192.168.146.2"',
    "host": 'host = "h1"',
    "hosts": "[[hosts]]",
    "links": "[[links]]",
    "mac": 'mac = "02:00:0a:00:00:01"',
    "mtu": "mtu = 1450",
    "name": 'name = "h1"',
    "nodes": 'nodes = ["h1", "h2"]',
    "routers": "[[routers]]",
    "switches": "[[switches]]",
    "vms": "[[vms]]",
}


def load(path: str | Path) -> Topology:
    """The topology a file describes. Raises ConfigError, ``FILE: FIELD: what is wrong with VALUE``."""
    path = Path(path)
    try:
        tables = tomlfile.parse(tomlfile.read(path))
        tomlfile.known(tables, Topology)
        _listed(tables)
        tables.setdefault("name", path.name.removesuffix(".toml").removesuffix(".lab"))
        topology = tomlfile.typed(tables, Topology, EXAMPLES)
    except tomlfile.FaultError as fault:
        raise ConfigError(f"{path}: {fault}") from None
    problem = check(topology)
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    return topology


def _listed(tables: dict[str, Any]) -> None:
    """Put single addresses into lists; what is no table here is left to be found by its type."""
    for key in ("hosts", "vms", "routers"):
        group = tables.get(key)
        for entry in group if isinstance(group, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("address"), str):
                entry["address"] = [entry["address"]]
