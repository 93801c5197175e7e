# SPDX-License-Identifier: Apache-2.0
"""The results as rows of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cluster.results import TARGETS, met, two
from bench.markdown import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.cluster.creating import Creating
    from bench.cluster.memory import Memory
    from bench.cluster.ping import Pings
    from bench.cluster.results import Report
    from bench.cluster.spreading import Spread

_MIB = 1 << 20


def tables(found: Report) -> list[Table]:
    """Return a table for each thing that was measured."""
    made = (
        _creating(found.creating) if found.creating else None,
        _pings(found.pings) if found.pings else None,
        _spreads(found.spreads) if found.spreads else None,
        _memory(found.memory) if found.memory else None,
    )
    return [table for table in made if table]


def _creating(found: Sequence[Creating]) -> Table:
    return Table(
        f"{found[0].networks} networks, created one by one",
        ("store", "clients", "requests/s", "server's CPU for each, ms"),
        tuple((row.store, str(row.clients), f"{row.per_second:.0f}", f"{row.cpu_ms:.2f}") for row in found),
    )


def _pings(found: Sequence[Pings]) -> Table:
    return Table(
        f"From `port create --host` to the first answered ping, {len(found[0].ports)} ports, median / p99 in ms",
        ("store", "networks", "POST answered", "ping answered", "aim: p99", "server's CPU", "agent's CPU"),
        tuple(
            (
                row.store,
                str(row.networks),
                str(two(port.told for port in row.ports)),
                str(two(port.answered for port in row.ports)),
                f"< {1000 * TARGETS[row.store]:.0f}: {'met' if met(row) else 'missed'}",
                f"{row.server_cpu_ms:.1f}",
                f"{row.agent_cpu_ms:.1f}",
            )
            for row in found
        ),
    )


def _spreads(found: Sequence[Spread]) -> Table:
    return Table(
        f"{len(found[0].reached)} changes (a port is created) while {found[0].hosts} agents listen",
        ("store", "networks", "hosts concerned", "all told, ms", "bytes, each", "bytes, others", "server's CPU, ms"),
        tuple(
            (
                row.store,
                str(row.networks),
                str(row.concerned),
                str(two(row.reached)),
                f"{row.bytes_concerned / row.concerned / len(row.reached):.0f}",
                str(row.bytes_others),
                f"{row.cpu_ms:.1f}",
            )
            for row in found
        ),
    )


def _memory(found: Sequence[Memory]) -> Table:
    rows: list[tuple[str, str]] = []
    for row in found:
        all_of_it = f"{row.networks} networks, {row.ports} ports"
        rows += [
            ("server, nothing", _mib(row.server_empty)),
            (f"server, {all_of_it}", _mib(row.server)),
            ("agent, nothing", _mib(row.agent_empty)),
            (f"agent of one of 200 hosts: {row.segments} segments, {row.ports_there} ports", _mib(row.agent)),
        ]
    return Table("Memory (PSS)", ("process", "MiB"), tuple(rows))


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f}"
