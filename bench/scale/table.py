# SPDX-License-Identifier: Apache-2.0
"""The results as rows of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.markdown import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.scale.results import Fdb, Networks, Remotes, Report

_MIB = 1 << 20


def tables(found: Report) -> Iterator[Table]:
    """Yield a table for each thing that was measured."""
    if found.networks:
        yield _networks(found.networks)
    if found.fdb:
        yield _fdb(found.fdb)
    if found.remotes:
        yield _remotes(found.remotes)


def _networks(rows: Sequence[Networks]) -> Table:
    return Table(
        "Networks on one host",
        (
            *("way", "networks", "made, s", "of that the daemon, s", "one changed, ms", "by a file, s"),
            *("kernel, MiB", "kernel, bytes each", "daemon, MiB", "packets/s of a host with one"),
        ),
        tuple(
            (
                row.way,
                str(row.count),
                f"{row.made:.2f}",
                "" if row.told is None else f"{row.told:.2f}",
                f"{1000 * row.changed:.0f}",
                "" if row.changed_file is None else f"{row.changed_file:.2f}",
                f"{row.kernel / _MIB:.1f}",
                f"{row.kernel / row.count:.0f}",
                f"{row.daemon / _MIB:.0f}" if row.daemon else "",
                f"{row.packets / row.packets_alone:.2f}",
            )
            for row in rows
        ),
    )


def _fdb(rows: Sequence[Fdb]) -> Table:
    return Table(
        "Learned entries in the FDB of both hosts",
        ("entries", "learned, s", "1000 packets/s to 65536 of them", "swept, s", "`vxnet fdb --json`, s"),
        tuple(
            (str(row.entries), f"{row.learned:.1f}", f"{row.found / 1000:.0f}", f"{row.sweep:.2f}", f"{row.dump:.1f}")
            for row in rows
        ),
    )


def _remotes(rows: Sequence[Remotes]) -> Table:
    return Table(
        "Remotes in one flood list",
        ("remotes", "made, ms", "one changed, ms", "1000 copies/s of broadcasts"),
        tuple(
            (str(row.remotes), f"{1000 * row.made:.0f}", f"{1000 * row.changed:.0f}", f"{row.copies / 1000:.0f}")
            for row in rows
        ),
    )
