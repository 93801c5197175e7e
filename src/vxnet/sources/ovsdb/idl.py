# SPDX-License-Identifier: Apache-2.0
"""The ovs package's IDL, narrowed to what vxnet reads, with each row as a value of `rows`.

The package has no types; beyond this file and `connection` nothing knows of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ovs.db import idl as ovsidl

from vxnet.sources.ovsdb.rows import BridgeRow, Database, InterfaceRow, PortRow
from vxnet.sources.ovsdb.undone import COLUMNS, SWITCHES, undone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

_COLUMNS = {
    "Open_vSwitch": ("bridges", "next_cfg", "other_config", "ovs_version", "db_version"),
    "Bridge": ("name", "datapath_type", "fail_mode", "other_config", "ports"),
    "Port": ("name", "interfaces", "tag", "trunks", "vlan_mode", "fake_bridge"),
    "Interface": ("name", "type", "options", "mac", "mtu_request", "ofport", "ofport_request"),
}
"""What is read, beside what vxnet does not do."""

_OUR_OWN = (("Open_vSwitch", "ovs_version"), ("Open_vSwitch", "db_version"), ("Interface", "ofport"))
"""What is read, but written by ourselves: no reason to look at everything again."""


class Idl(ovsidl.Idl):  # type: ignore[misc]  # the ovs package has no types
    """The IDL over what vxnet reads. It keeps each row's value until the row changes."""

    def __init__(self, remote: str, schema: dict[str, Any]) -> None:
        self.version: str = schema["version"]
        self._has = {name: frozenset(table["columns"]) for name, table in schema["tables"].items()}
        helper = ovsidl.SchemaHelper(None, schema)
        for table, columns in _COLUMNS.items():
            also = {*COLUMNS.get(table, ()), *(column for column, _ in SWITCHES.get(table, ()))}
            helper.register_columns(table, [c for c in (*columns, *also) if c in self._has[table]])
        for table in _referred(schema, _COLUMNS) - _COLUMNS.keys():
            helper.register_columns(table, [])  # only to know that there is a row
        self._rows: dict[UUID, Any] = {}
        super().__init__(remote, helper)
        for table, column in _OUR_OWN:
            self.tables[table].columns[column].alert = False

    @property
    def session(self) -> int:
        """A number that is another one for each connection."""
        return int(self._session.get_seqno())

    @property
    def is_connected(self) -> bool:
        """Whether the server can be talked to. On the way there, as at the beginning, it counts as connected."""
        return bool(self._session.is_connected() or not self.has_ever_connected())

    @property
    def is_serving(self) -> bool:
        """Whether all of the database is here, and the lock is ours."""
        return bool(self.has_lock and self.state == self.IDL_S_MONITORING and self.has_ever_connected())

    def has_column(self, table: str, column: str) -> bool:
        """Tell whether the server's schema has a column."""
        return column in self._has[table]

    def notify(self, event: str, row: Any, updates: Any = None) -> None:  # noqa: ANN401, ARG002  (the IDL's hook)
        """Drop the value of a row that has changed."""
        self._rows.pop(row.uuid, None)

    def database(self) -> Database:
        """Return the rows, those that did not change as they were."""
        tables, before = self.tables, self._rows
        self._rows = {}
        for table, read in (("Bridge", _bridge), ("Port", _port), ("Interface", _interface)):
            self._rows |= {
                uuid: before[uuid] if uuid in before else read(_Columns(row))
                for uuid, row in tables[table].rows.items()
            }
        top = next(iter(tables["Open_vSwitch"].rows.values()), None)
        if top is None:
            return Database()
        columns = _Columns(top)
        bridges = (self._rows.get(uuid) for uuid in columns.references("bridges"))
        return Database(
            uuid=top.uuid,
            next_cfg=columns["next_cfg"],
            ovs_version=columns.one("ovs_version"),
            db_version=columns.one("db_version"),
            other_config=columns["other_config"],
            bridges=tuple(bridge for bridge in bridges if bridge),
            ports={uuid: self._rows[uuid] for uuid in tables["Port"].rows},
            interfaces={uuid: self._rows[uuid] for uuid in tables["Interface"].rows},
        )


def _referred(schema: dict[str, Any], tables: Iterable[str]) -> set[str]:
    """Return the tables whose rows these tables name (RFC 7047, section 3.2, refTable)."""
    types = [column["type"] for table in tables for column in schema["tables"][table]["columns"].values()]
    bases = [kind.get(part) for kind in types if isinstance(kind, dict) for part in ("key", "value")]
    return {base["refTable"] for base in bases if isinstance(base, dict) and "refTable" in base}


class _Columns(dict[str, Any]):
    """A row's columns as Python values: sets as lists."""

    def __init__(self, row: Any) -> None:  # noqa: ANN401  (the ovs package has no types)
        super().__init__({name: getattr(row, name) for name in row._table.columns})  # noqa: SLF001  (its only way)
        self.uuid: UUID = row.uuid

    def one(self, name: str) -> Any:  # noqa: ANN401
        """Return the value of a set of at most one."""
        return next(iter(self.get(name) or ()), None)

    def references(self, name: str) -> tuple[UUID, ...]:
        """Return the rows that a column names."""
        return tuple(row.uuid for row in self[name])


def _bridge(columns: _Columns) -> BridgeRow:
    return BridgeRow(
        uuid=columns.uuid,
        name=columns["name"],
        datapath_type=columns["datapath_type"],
        fail_mode=columns.one("fail_mode"),
        other_config=columns["other_config"],
        ports=columns.references("ports"),
        undone=undone("Bridge", columns),
    )


def _port(columns: _Columns) -> PortRow:
    return PortRow(
        uuid=columns.uuid,
        name=columns["name"],
        interfaces=columns.references("interfaces"),
        tag=columns.one("tag"),
        trunks=tuple(columns["trunks"]),
        vlan_mode=columns.one("vlan_mode"),
        fake_bridge=columns["fake_bridge"],
        undone=undone("Port", columns),
    )


def _interface(columns: _Columns) -> InterfaceRow:
    return InterfaceRow(
        uuid=columns.uuid,
        name=columns["name"],
        type=columns["type"],
        options=columns["options"],
        mac=columns.one("mac"),
        mtu_request=columns.one("mtu_request"),
        ofport=columns.one("ofport"),
        ofport_request=columns.one("ofport_request"),
        undone=undone("Interface", columns),
    )
