# SPDX-License-Identifier: Apache-2.0
"""The connection to ovsdb-server: rows come in through the IDL, columns of `status` go out.

    connecting --schema--> monitoring --lock ovs_vswitchd--> serving        the server went: connecting again

While somebody else holds the lock, or the server is away, there is no database to be had (`database` returns None), and
nothing may be changed. What is written goes into one transaction as plain operations, most of them on columns that the
IDL does not follow, so that they do not come back as changes; what was written last is remembered here, and only what
differs is sent.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ovs import jsonrpc, stream
from ovs.db import idl as ovsidl

from vxnet.sources.ovsdb.idl import Idl

if TYPE_CHECKING:
    from uuid import UUID

    from ovs.poller import Poller

    from vxnet.sources.ovsdb.rows import Database
    from vxnet.sources.ovsdb.status import Column, Columns

log = logging.getLogger("vxnetd")

LOCK = "ovs_vswitchd"
"""The lock of whoever serves the database, as Open vSwitch calls it."""

_DATABASE = "Open_vSwitch"
_RETRY = 1.0
"""Seconds between attempts to reach a server that is not there yet."""


class Connection:
    """One server's database, as far as vxnet is concerned."""

    def __init__(self, remote: str) -> None:
        """``remote`` as Open vSwitch writes it: unix:PATH. Nothing is asked of it before `run`."""
        self._remote = remote
        self._idl: Idl | None = None
        self._retry = 0.0
        self._trouble = ""
        self._session = -1
        self._written: dict[tuple[str, UUID], Columns] = {}

    @property
    def contended(self) -> bool:
        """Whether somebody else serves the database."""
        return bool(self._idl and self._idl.is_lock_contended)

    @property
    def seqno(self) -> int:
        """A number that is another one when the database has changed."""
        return int(self._idl.change_seqno) if self._idl else 0

    @property
    def db_version(self) -> str:
        """The version of the schema that the server has."""
        return self._idl.version if self._idl else ""

    def run(self) -> None:
        """Take in what the server has sent, or try to reach it."""
        if self._idl is None and time.monotonic() >= self._retry:
            self._open()
        if self._idl:
            self._idl.run()
            if self._idl.session != self._session:
                # Another connection: the server may have been started anew, and has forgotten ephemeral columns.
                self._session = self._idl.session
                self._written.clear()
            self._tell("" if self._idl.is_connected else f"the connection to {self._remote} is lost")

    def wait(self, poller: Poller) -> None:
        """Let ``poller`` wake up when `run` has something to do."""
        if self._idl:
            self._idl.wait(poller)
        else:
            poller.timer_wait(max(0, int(1000 * (self._retry - time.monotonic()))))

    def close(self) -> None:
        """Give the lock back by closing the connection."""
        if self._idl:
            self._idl.close()
            self._idl = None

    def database(self) -> Database | None:
        """Return the whole database; None while it is not there, or not ours to serve."""
        if self._idl is None or not self._idl.is_serving:
            return None
        return self._idl.database()

    def write(self, table: str, uuid: UUID, columns: Columns, into: list[dict[str, Any]]) -> None:
        """Add to a transaction what is new in a row's columns."""
        before = self._written.get((table, uuid), {})
        row = {name: _datum(value) for name, value in columns.items() if name not in before or before[name] != value}
        if row and self._idl:
            known = {name: datum for name, datum in row.items() if self._idl.has_column(table, name)}
            where = [["_uuid", "==", ["uuid", str(uuid)]]]
            into.append({"op": "update", "table": table, "where": where, "row": known})
            self._written[table, uuid] = {**before, **columns}

    def written(self, table: str, column: str) -> set[UUID]:
        """Return the rows of a table whose column was written since the server was there."""
        return {uuid for (of, uuid), columns in self._written.items() if of == table and column in columns}

    def commit(self, operations: list[dict[str, Any]], comment: str = "") -> bool:
        """Send a transaction and wait for its end. False: it failed, or the server or the lock went; begin again."""
        if not operations:
            return True
        if self._idl is None:
            return False
        transaction = ovsidl.Transaction(self._idl)
        if comment:
            transaction.add_comment(comment)
        for operation in operations:
            transaction.add_op(operation)
        status = transaction.commit_block()
        if status == transaction.SUCCESS:
            return True
        if status == transaction.ERROR:
            log.error("the database refused what was written: %s", transaction.get_error())
        self._written.clear()
        return False

    def forget(self, uuids: set[UUID]) -> None:
        """Forget what was written to rows that are not among these."""
        self._written = {key: columns for key, columns in self._written.items() if key[1] in uuids}

    def _open(self) -> None:
        schema = self._fetch_schema()
        if schema is None:
            self._retry = time.monotonic() + _RETRY
            return
        self._idl = Idl(self._remote, schema)
        self._idl.set_lock(LOCK)

    def _fetch_schema(self) -> dict[str, Any] | None:
        """Ask the server for its schema: an older one lacks columns, and asking for those would be an error."""
        error, channel = stream.Stream.open_block(stream.Stream.open(self._remote))
        if error:
            self._tell(f"cannot reach {self._remote}")
            return None
        connection = jsonrpc.Connection(channel)
        try:
            error, reply = connection.transact_block(jsonrpc.Message.create_request("get_schema", [_DATABASE]))
        finally:
            connection.close()
        if error or reply.error:
            self._tell(f"{self._remote} has no database {_DATABASE}")
            return None
        schema: dict[str, Any] = reply.result
        return schema

    def _tell(self, trouble: str) -> None:
        """Say what keeps us from the database, once, and that it is gone."""
        if trouble and trouble != self._trouble:
            log.warning("%s; trying again until it is there", trouble)
        elif self._trouble and not trouble:
            log.info("connected to %s", self._remote)
        self._trouble = trouble


def _datum(value: Column) -> Any:  # noqa: ANN401  (JSON)
    """Return a column's value in JSON (RFC 7047, section 5.1)."""
    match value:
        case None:
            return ["set", []]
        case tuple():
            return ["set", list(value)]
        case str() | int():
            return value
        case _:
            return ["map", [[key, entry] for key, entry in value.items()]]
