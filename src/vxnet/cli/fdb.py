# SPDX-License-Identifier: Apache-2.0
"""`vxnet fdb [SEGMENT]`: which MAC is where, in the words of `bridge fdb show`, so that greps go on working.

02:00:00:00:00:01 dev tap-a vni 5001 segment blue age 3 learned
02:00:00:00:00:02 dst 192.168.146.136 vni 5001 segment blue static
02:00:00:00:00:03 dev tap-a vni 5001 segment blue age 1 learned duplicate
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cli.options import RUN_DIR, Json, OneSegment, RunDir
from vxnet.cli.output import print_json, print_lines
from vxnet.datapath import report
from vxnet.datapath.entries import FdbRow

if TYPE_CHECKING:
    from vxnet.model import IPAddress


def fdb(
    segment: OneSegment = None,
    run_dir: RunDir = RUN_DIR,
    as_json: Json = False,
) -> None:
    """Show which MAC is at which port or behind which remote, as `bridge fdb show` does."""
    rows = report.fdb(run_dir, segment)
    if as_json:
        print_json([record(row) for row in rows])
    else:
        print_lines(map(line, rows))


def line(row: FdbRow) -> str:
    """Return an entry as a line: ``dev`` a port or ``dst`` a remote; ``age`` in seconds, for learned entries."""
    where = f"dev {row.port}" if row.port is not None else f"dst {row.remote}"
    age = "" if row.age is None else f" age {int(row.age)}"
    state = f"{row.state} duplicate" if row.duplicate else row.state
    if row.vlan is None:
        return f"{row.mac} {where} vni {row.vni} segment {row.segment}{age} {state}"
    behind = "" if row.tunnel is None else f" vni {row.vni} via {row.tunnel}"
    return f"{row.mac} {where} vlan {row.vlan}{behind} bridge {row.segment}{age} {state}"


def record(row: FdbRow) -> dict[str, str | int | float | IPAddress | None]:
    """Return an entry for JSON: ``port`` or ``remote``, never both; ``age`` is always there, null for a static one."""
    place = {"port": row.port} if row.port is not None else {"remote": row.remote}
    return {
        "segment": row.segment,
        "vni": row.vni,
        "mac": row.mac,
        **place,
        "state": row.state,
        "age": row.age,
        "duplicate": row.duplicate,
        **({} if row.vlan is None else {"vlan": row.vlan, "tunnel": row.tunnel}),
    }
