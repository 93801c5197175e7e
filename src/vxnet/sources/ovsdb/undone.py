# SPDX-License-Identifier: Apache-2.0
"""What the database can ask for and vxnet does not do, by table and column, in words.

An Interface whose type or options it does not do gets an error, see `desired` and `vxlan`. These are the rest: they
would go on working without, so that they are said once in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: dict[str, dict[str, str]] = {
    "Bridge": {
        "controller": "OpenFlow controllers",
        "mirrors": "mirrors",
        "netflow": "NetFlow",
        "sflow": "sFlow",
        "ipfix": "IPFIX",
        "stp_enable": "STP",
        "rstp_enable": "RSTP",
        "mcast_snooping_enable": "multicast snooping",
        "flow_tables": "flow tables",
        "auto_attach": "Auto Attach",
    },
    "Port": {"qos": "QoS", "lacp": "LACP", "protected": "protected ports"},
    "Interface": {
        "ingress_policing_rate": "ingress policing",
        "ingress_policing_kpkts_rate": "ingress policing",
        "cfm_mpid": "CFM",
    },
}
"""Columns that ask for something when they are set to anything but their default."""

SWITCHES: dict[str, dict[tuple[str, str], str]] = {
    "Port": {("other_config", "priority-tags"): "priority-tags"},
    "Interface": {("bfd", "enable"): "BFD", ("lldp", "enable"): "LLDP"},
}
"""(column, key) of maps that ask for something when the key's value is neither "false" nor "never"."""


def undone(table: str, columns: Mapping[str, Any]) -> tuple[str, ...]:
    """Return in words what a row asks for in vain; ``columns`` are as the IDL has them, sets as lists."""
    found = [words for column, words in COLUMNS.get(table, {}).items() if _asks(columns.get(column))]
    for (column, key), words in SWITCHES.get(table, {}).items():
        if columns.get(column, {}).get(key, "false") not in {"false", "never"}:
            found.append(words)
    return tuple(dict.fromkeys(found))


def _asks(value: object) -> bool:
    return bool(value) and value not in ([False], ["off"])
