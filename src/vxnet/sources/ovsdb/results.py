# SPDX-License-Identifier: Apache-2.0
"""What came of the desired state, as columns of the rows: which Interface works, with which number, and which does not.

Wanted + failures of the datapath + numbers + devices --> (table, UUID, columns), ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.sources.ovsdb import status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from vxnet.model import IPAddress
    from vxnet.sources.ovsdb.desired import Planned, Wanted
    from vxnet.sources.ovsdb.links import Egress, Link
    from vxnet.sources.ovsdb.ofports import Numbers
    from vxnet.sources.ovsdb.rows import InterfaceRow
    from vxnet.sources.ovsdb.status import Columns, Counters, Frames

Row = tuple[str, "UUID", "Columns"]


def errors(wanted: Wanted, failures: Mapping[str, str]) -> dict[str, str]:
    """Return the error of each Interface that does not work; ``failures``: what the datapath could not do, and why."""
    refused = {
        name: f"could not add network device {name} to ofproto ({why.replace(chr(10), ' ')})"
        for name, why in failures.items()
    }
    return {**refused, **wanted.errors}


def results(
    wanted: Wanted,
    broken: Mapping[str, str],
    numbers: Numbers,
    links: Mapping[str, Link],
    egress: Mapping[IPAddress, Egress],
) -> Iterator[Row]:
    """Yield what is to be written to every bridge and interface; ``broken`` is what `errors` returned."""
    leads = {tunnel.name: egress.get(tunnel.remote) if tunnel.remote else None for tunnel in wanted.state.tunnels}
    numbers.forget(planned.row.name for planned in wanted.bridges)
    for planned in wanted.bridges:
        yield "Bridge", planned.row.uuid, status.of_bridge(planned.row, planned.mac)
        working = [row for row in planned.interfaces if row.name not in broken]
        given = numbers.of_bridge(planned.row.name, working)
        for row in planned.interfaces:
            if row.name in broken:
                columns = status.of_failed(broken[row.name])
            elif row.name in leads:
                columns = status.of_tunnel(row, given[row.name], leads[row.name])
            else:
                columns = status.of_device(given[row.name], links.get(row.name))
            yield "Interface", row.uuid, columns


def statistics(
    wanted: Wanted, broken: Mapping[str, str], frames: Mapping[str, Frames], counters: Mapping[str, Counters]
) -> Iterator[Row]:
    """Yield the statistics of every working interface; those that nothing has been counted of yet have zeros."""
    tunnels = {tunnel.name for tunnel in wanted.state.tunnels}
    internal = {port.device for port in wanted.state.ports if port.internal}
    for row in _working(wanted.bridges, broken):
        counted = None if row.name in tunnels else counters.get(row.name, status.Counters())
        if counted and row.name in internal:
            counted = status.turned(counted)
        columns = status.statistics(frames.get(row.name, status.Frames()), counted)
        yield "Interface", row.uuid, {"statistics": columns}


def _working(bridges: tuple[Planned, ...], broken: Mapping[str, str]) -> Iterator[InterfaceRow]:
    for planned in bridges:
        yield from (row for row in planned.interfaces if row.name not in broken)
